#include "store/library.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/catalogue.hpp"
#include "store/descriptor.hpp"
#include "store/digest.hpp"
#include "store/layout.hpp"
#include "store/trust.hpp"
#include "text/json.hpp"
#include "text/sha256.hpp"

namespace hotmic::store {
namespace wire {

struct Manifest {
    std::string name;
    std::string source;
    std::string pulled_at;
    std::vector<Stored> files;
};

}  // namespace wire

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kManifest = "hotmic-model.json";
constexpr std::uint64_t kLargestManifest = 1 << 20;

std::vector<fs::path> entries_of(const fs::path& folder) {
    std::vector<fs::path> entries;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        entries.push_back(at->path());
    std::ranges::sort(entries);
    return entries;
}

fs::path what_is_loaded(const fs::path& folder, const std::vector<std::string>& files) {
    return files.size() == 1 ? folder / files.front() : folder;
}

std::string first_line(const fs::path& file) {
    std::ifstream stream(file);
    std::string line;
    std::getline(stream, line);
    return line;
}

/// The name as that of one folder.
/// A version that one of the catalogue's sources has: every file whose digest is known there has that digest.
bool is_version_of(const Installed& model, const Entry& entry) {
    return std::ranges::any_of(entry.sources, [&](const Source& source) {
        if (!source.url.empty() && !source.verified() && model.source != origin_of(source, source.files.front()))
            return false;  // the same name at another address is another model
        return source.files.size() == model.files.size() && std::ranges::all_of(source.files, [&](const File& file) {
                   const auto found = std::ranges::find(model.files, file.name, &Stored::name);
                   return found != model.files.end() && (file.digest.empty() || file.digest == found->sha256);
               });
    });
}

}  // namespace

Bytes Installed::size() const {
    Bytes sum;
    for (const auto& file : files) sum += file.size;
    return sum;
}

std::string Installed::digest() const {
    return files.size() == 1 ? files.front().sha256 : std::string{};
}

Library::Library(fs::path folder, std::vector<fs::path> hub_caches)
    : folder_(std::move(folder)), hub_caches_(std::move(hub_caches)) {}

Library Library::of_process(fs::path folder) {
    std::vector<fs::path> caches;
    const auto add = [&](const char* variable, const char* below) {
        const char* value = std::getenv(variable);
        if (value != nullptr && *value != '\0') caches.push_back(fs::path(value) / below);
    };
    add("HF_HUB_CACHE", "");
    add("HUGGINGFACE_HUB_CACHE", "");
    add("HF_HOME", "hub");
    add("XDG_CACHE_HOME", "huggingface/hub");
    add("HOME", ".cache/huggingface/hub");
    return Library(std::move(folder), std::move(caches));
}

std::optional<Installed> Library::find(const Entry& entry) const {
    std::optional<Installed> newest;
    for (auto& model : stored()) {
        if (!entry.goes_by(model.name) || !is_version_of(model, entry)) continue;
        if (!newest || newest->pulled_at < model.pulled_at) newest = std::move(model);
    }
    if (newest) return newest;
    for (const auto& source : entry.sources) {
        if (source.hub.empty()) continue;
        if (auto found = in_cache(source.hub, source.revision, source.files)) {
            found->name = entry.name;
            return found;
        }
    }
    for (const auto& alias : entry.aliases) {
        if (!alias.contains('/')) continue;
        if (auto found = in_cache(alias, "main", {})) {
            found->name = entry.name;
            return found;
        }
    }
    return std::nullopt;
}

std::optional<Installed> Library::find(std::string_view name) const {
    std::optional<Installed> newest;
    for (auto& model : stored()) {
        if (model.name == name && (!newest || newest->pulled_at < model.pulled_at)) newest = std::move(model);
    }
    if (!newest && is_model_name(name) && name.contains('/')) newest = in_cache(std::string(name), "main", {});
    return newest;
}

std::vector<Installed> Library::stored() const {
    std::vector<Installed> all;
    for (const auto& entry : entries_of(folder_)) {
        if (entry.filename().string().starts_with(".")) continue;
        if (auto model = read_manifest(entry)) all.push_back(*std::move(model));
    }
    std::ranges::stable_sort(all, {}, &Installed::name);
    return all;
}

std::vector<Installed> Library::cached(const Catalogue& catalogue) const {
    std::vector<Installed> all;
    for (const auto& entry : catalogue.entries()) {
        for (const auto& source : entry.sources) {
            if (source.hub.empty()) continue;
            auto found = in_cache(source.hub, source.revision, source.files);
            if (!found) continue;
            found->name = entry.name;
            all.push_back(*std::move(found));
        }
        for (const auto& alias : entry.aliases) {
            if (!alias.contains('/')) continue;
            auto found = in_cache(alias, "main", {});
            if (!found || std::ranges::contains(all, found->path, &Installed::path)) continue;
            found->name = entry.name;
            all.push_back(*std::move(found));
        }
    }
    return all;
}

std::optional<Installed> Library::in_cache(const std::string& repository, const std::string& revision,
                                           const std::vector<File>& files) const {
    for (const auto& cache : hub_caches_) {
        const auto home = cache / ("models--" + flat_name(repository));
        std::vector<fs::path> snapshots;
        if (const auto commit = first_line(home / "refs" / revision); is_file_name(commit))
            snapshots.push_back(home / "snapshots" / commit);
        if (snapshots.empty()) snapshots = entries_of(home / "snapshots");
        for (const auto& snapshot : snapshots) {
            Installed model{
                .name = repository, .folder = snapshot, .source = "the cache " + cache.string(), .in_place = true};
            std::vector<std::pair<std::string, Bytes>> wanted;
            wanted.reserve(files.size());
            for (const auto& file : files) wanted.emplace_back(file.path, file.size);
            if (files.empty()) {
                for (auto& name : files_of_known_layout(snapshot)) wanted.emplace_back(std::move(name), Bytes());
            }
            const bool whole = !wanted.empty() && std::ranges::all_of(wanted, [&](const auto& file) {
                std::error_code error;
                const auto size = Bytes(fs::file_size(snapshot / file.first, error));
                if (error || (file.second && size != file.second)) return false;
                const auto known = std::ranges::find(files, file.first, &File::path);
                model.files.push_back({.name = file.first,
                                       .size = size,
                                       .sha256 = known == files.end() ? "" : known->digest,
                                       .verified = false});
                return true;
            });
            if (!whole) continue;
            model.path = files.size() == 1 ? snapshot / files.front().path : snapshot;
            return model;
        }
    }
    return std::nullopt;
}

Result<std::vector<Installed>> Library::remove(const Catalogue& catalogue, std::string_view name) const {
    const auto* entry = catalogue.find(name);
    std::vector<Installed> removed;
    for (const auto& model : stored()) {
        if (model.name != name && (entry == nullptr || !entry->goes_by(model.name))) continue;
        // Under another name first: a folder half gone must not look like a model.
        std::error_code error;
        const auto aside = partial() / (model.folder.filename().string() + ".removed");
        fs::create_directories(partial(), error);
        fs::remove_all(aside, error);
        fs::rename(model.folder, aside, error);
        if (!error) fs::remove_all(aside, error);
        if (error) {
            return fail(ErrorCode::io_error,
                        std::format("{} cannot be removed: {}", model.folder.string(), error.message()),
                        "check its permissions");
        }
        removed.push_back(model);
    }
    bool begun = false;
    const auto stem = flat_name(entry == nullptr ? std::string(name) : entry->name) + "@";
    for (const auto& each : entries_of(partial())) {
        if (!each.filename().string().starts_with(stem)) continue;
        std::error_code error;
        begun |= fs::remove_all(each, error) > 0;
    }
    if (removed.empty() && !begun) {
        if (const auto found = entry == nullptr ? find(name) : find(*entry); found && found->in_place) {
            return fail(ErrorCode::invalid_request,
                        std::format("{} is in {}, which belongs to other programs", name, found->folder.string()),
                        "remove it with the program that put it there", "model");
        }
        return fail(ErrorCode::model_not_found, std::format("no model \"{}\" is in {}", name, folder_.string()),
                    "`hotmic pull list` names those there are", "model");
    }
    return removed;
}

Result<Check> Library::verify(const Installed& model, const std::function<void(Bytes)>& told,
                              const std::stop_token& stop) const {
    Check check{.model = model};
    Bytes before;
    for (const auto& file : model.files) {
        Sha256 digest;
        const auto read = read_into(
            digest, model.folder / file.name,
            [&](Bytes so_far) {
                if (told) told(before + so_far);
            },
            stop);
        if (!read && read.error().code == ErrorCode::load_cancelled) return std::unexpected(read.error());
        if (!read)
            check.problems.push_back(read.error().message);
        else if (*read != file.size)
            check.problems.push_back(
                std::format("{} has {} bytes and had {}", file.name, read->count(), file.size.count()));
        else if (!file.sha256.empty() && digest.hex() != file.sha256)
            check.problems.push_back(
                std::format("{} has the SHA-256 {} and had {}", file.name, digest.hex(), file.sha256));
        before += file.size;
    }
    return check;
}

std::optional<Installed> read_manifest(const fs::path& folder) {
    const auto file = folder / kManifest;
    std::error_code error;
    if (const auto size = fs::file_size(file, error); error || size > kLargestManifest) return std::nullopt;
    std::ifstream stream(file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    wire::Manifest told;
    constexpr glz::opts kTolerant{.error_on_unknown_keys = false};
    if (glz::read<kTolerant>(told, text) || !is_model_name(told.name) || told.files.empty()) return std::nullopt;
    std::vector<std::string> names;
    for (const auto& each : told.files) {
        if (!is_file_name(each.name) || Bytes(fs::file_size(folder / each.name, error)) != each.size || error)
            return std::nullopt;
        names.push_back(each.name);
    }
    return Installed{.name = std::move(told.name),
                     .path = what_is_loaded(folder, names),
                     .folder = folder,
                     .source = std::move(told.source),
                     .pulled_at = std::move(told.pulled_at),
                     .files = std::move(told.files)};
}

Result<void> write_manifest(const Installed& model) {
    const wire::Manifest told{model.name, model.source, model.pulled_at, model.files};
    return replace_file(model.folder / kManifest, to_json<JsonOptions{{.prettify = true}}>(told) + "\n");
}

std::string folder_name(const std::string& name, const std::vector<Stored>& files) {
    auto content = files.front().sha256;
    if (files.size() > 1) {
        std::vector<std::string> lines;
        lines.reserve(files.size());
        for (const auto& file : files) lines.push_back(std::format("{} {}\n", file.sha256, file.name));
        std::ranges::sort(lines);
        Sha256 digest;
        for (const auto& line : lines) digest.update(line);
        content = digest.hex();
    }
    return std::format("{}-{}", flat_name(name), content.substr(0, 12));
}

fs::path loadable(const fs::path& entry) {
    const auto model = read_manifest(entry);
    return model ? model->path : entry;
}

}  // namespace hotmic::store
