#include "store/catalogue.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <toml++/toml.hpp>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "text/suggest.hpp"

namespace hotmic::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUnverified = "unverified";
constexpr std::uint64_t kLargestCatalogue = 4 << 20;

std::string lower(std::string_view text) {
    std::string small(text);
    std::ranges::transform(small, small.begin(), [](unsigned char c) { return std::tolower(c); });
    return small;
}

/// Stops the reading of a text; never leaves this file.
struct Wrong {
    Error error;
};

class Reading {
public:
    explicit Reading(std::string where) : where_(std::move(where)) {}

    std::vector<Entry> entries(const toml::table& document) {
        std::vector<Entry> all;
        for (const auto& [name, node] : document) {
            const std::string called(name.str());
            if (!is_model_name(called))
                wrong(node, std::format("\"{}\" cannot be the name of a model", called),
                      "use letters, digits, . _ - and at most one /; no path");
            const auto* table = node.as_table();
            if (table == nullptr)
                wrong(node, std::format("{} is no section", called), std::format("write [{}]", called));
            all.push_back(entry(called, *table));
        }
        return all;
    }

private:
    [[noreturn]] void wrong(const toml::node& node, const std::string& what, std::string remedy) const {
        throw Wrong{{ErrorCode::config_invalid, std::format("{}: line {}: {}", where_, node.source().begin.line, what),
                     std::move(remedy)}};
    }

    void check_keys(const toml::table& table, std::span<const std::string> known, const std::string& about) const {
        for (const auto& [name, node] : table) {
            if (std::ranges::contains(known, name.str())) continue;
            const auto nearest = closest(name.str(), known);
            std::string all;
            for (const auto& each : known) all += (all.empty() ? "" : ", ") + each;
            wrong(node, std::format("{} has no key {}", about, name.str()),
                  nearest ? std::format("did you mean {}?", *nearest) : "there are: " + all);
        }
    }

    std::string text(const toml::table& table, std::string_view key) const {
        const auto* node = table.get(key);
        if (node == nullptr) return {};
        if (!node->is_string()) wrong(*node, std::format("{} must be a string", key), "put it into quotation marks");
        return node->as_string()->get();
    }

    double number(const toml::table& table, std::string_view key) const {
        const auto* node = table.get(key);
        if (node == nullptr) return 0;
        const auto value = node->value<double>();
        if (!value || !node->is_number() || *value < 0 || *value > 1e13)
            wrong(*node, std::format("{} must be a number that is not negative", key), "");
        return *value;
    }

    std::vector<std::string> list(const toml::table& table, std::string_view key) const {
        const auto* node = table.get(key);
        std::vector<std::string> words;
        if (node == nullptr) return words;
        const auto* array = node->as_array();
        if (array == nullptr) wrong(*node, std::format("{} must be a list of strings", key), "");
        for (const auto& item : *array) {
            if (!item.is_string()) wrong(item, std::format("{} must hold strings only", key), "");
            words.push_back(item.as_string()->get());
        }
        return words;
    }

    Entry entry(const std::string& name, const toml::table& table) const {
        static const std::array<std::string, 8> known{"aliases", "kind",      "languages",        "licence",
                                                      "note",    "memory_mb", "gflop_per_second", "sources"};
        check_keys(table, known, name);
        Entry entry{.name = name,
                    .aliases = list(table, "aliases"),
                    .kind = text(table, "kind"),
                    .languages = list(table, "languages"),
                    .licence = text(table, "licence"),
                    .note = text(table, "note"),
                    .memory = Bytes(static_cast<std::uint64_t>(number(table, "memory_mb") * 1e6)),
                    .gflop_per_second = number(table, "gflop_per_second")};
        for (const auto& alias : entry.aliases) {
            if (!is_model_name(alias))
                wrong(*table.get("aliases"), std::format("\"{}\" cannot be the name of a model", alias),
                      "use letters, digits, . _ - and at most one /");
        }
        const auto* sources = table.get("sources");
        const auto* array = sources == nullptr ? nullptr : sources->as_array();
        if (array == nullptr || array->empty())
            wrong(table, std::format("{} has no source", name), std::format("add [[{}.sources]]", name));
        for (const auto& item : *array) {
            const auto* each = item.as_table();
            if (each == nullptr) wrong(item, "a source must be a section", std::format("write [[{}.sources]]", name));
            entry.sources.push_back(source(name, *each));
        }
        return entry;
    }

    Source source(const std::string& name, const toml::table& table) const {
        static const std::array<std::string, 5> known{"hub", "revision", "url", "packages", "files"};
        const auto about = "a source of " + name;
        check_keys(table, known, about);
        Source source{.hub = text(table, "hub"),
                      .revision = text(table, "revision"),
                      .url = text(table, "url"),
                      .packages = list(table, "packages")};
        const auto kinds = int{!source.hub.empty()} + int{!source.url.empty()} + int{!source.packages.empty()};
        if (kinds != 1) wrong(table, about + " must have one of hub, url and packages", "");
        if (!source.hub.empty() && (!is_model_name(source.hub) || !source.hub.contains('/')))
            wrong(table, std::format("hub = \"{}\" is no OWNER/REPOSITORY", source.hub), "");
        if (!source.revision.empty() && !is_file_name(source.revision))
            wrong(table, std::format("\"{}\" is no revision", source.revision), "");
        if (!source.url.empty() && !source.url.starts_with("https://") && !source.url.starts_with("http://"))
            wrong(table, std::format("url = \"{}\" is neither http nor https", source.url), "");
        for (const auto& package : source.packages) {
            const auto pin = package.find("==");
            if (pin == std::string::npos || !is_file_name(package.substr(0, pin)) ||
                !is_file_name(package.substr(pin + 2)))
                wrong(table, std::format("\"{}\" is no pinned package", package), "write it as name==version");
        }
        if (source.revision.empty() && !source.hub.empty()) source.revision = "main";
        const auto* files = table.get("files");
        const auto* array = files == nullptr ? nullptr : files->as_array();
        if (array == nullptr || array->empty()) wrong(table, about + " has no files", "");
        std::set<std::string> seen;
        for (const auto& item : *array) {
            const auto* each = item.as_table();
            if (each == nullptr) wrong(item, "a file must be { name = …, size = …, digest = … }", "");
            source.files.push_back(file(*each, !source.packages.empty()));
            if (!seen.insert(source.files.back().name).second)
                wrong(item, std::format("{} is there twice", source.files.back().name), "");
        }
        return source;
    }

    File file(const toml::table& table, bool packaged) const {
        static const std::array<std::string, 5> known{"name", "path", "size", "digest", "members"};
        check_keys(table, known, "a file");
        File file{.name = text(table, "name"),
                  .path = text(table, "path"),
                  .size = Bytes(static_cast<std::uint64_t>(number(table, "size"))),
                  .digest = lower(text(table, "digest")),
                  .members = list(table, "members")};
        if (!is_file_name(file.name) || file.name == kManifestName)
            wrong(table, std::format("\"{}\" cannot be the name of a model's file", file.name),
                  "use letters, digits, . _ and -; no path");
        if (file.path.empty()) file.path = file.name;
        if (!stays_inside(file.path)) wrong(table, std::format("the path \"{}\" leaves its folder", file.path), "");
        for (const auto& member : file.members) {
            if (!stays_inside(member)) wrong(table, std::format("the member \"{}\" leaves its folder", member), "");
        }
        if (packaged && file.members.empty())
            wrong(table, std::format("{} does not say which members of the packages it is", file.name),
                  "add members = [\"folder/file\"]");
        if (file.digest.empty())
            wrong(table, std::format("{} has no digest", file.name),
                  "write its SHA-256, or digest = \"unverified\" to trust the first one that comes");
        if (file.digest == kUnverified)
            file.digest.clear();
        else if (!is_digest(file.digest))
            wrong(table, std::format("the digest of {} is neither 64 hexadecimal digits nor \"unverified\"", file.name),
                  "`sha256sum FILE` prints them");
        return file;
    }

    static constexpr std::string_view kManifestName = "hotmic-model.json";
    const std::string where_;
};

}  // namespace

std::string Source::describe() const {
    if (!hub.empty()) return std::format("the hub's {}", hub);
    if (!packages.empty()) return packages.size() == 1 ? "a Python package" : "Python packages";
    return url;
}

Bytes Source::size() const {
    Bytes sum;
    for (const auto& file : files) {
        if (!file.size) return {};
        sum += file.size;
    }
    return sum;
}

bool Source::verified() const {
    return std::ranges::none_of(files, [](const File& file) { return file.digest.empty(); });
}

bool Entry::goes_by(std::string_view called) const {
    const auto wanted = lower(called);
    return lower(name) == wanted ||
           std::ranges::any_of(aliases, [&](const auto& alias) { return lower(alias) == wanted; });
}

Entry Entry::asked_for_as(std::string_view called) const {
    auto entry = *this;
    std::ranges::stable_partition(entry.sources,
                                  [&](const Source& source) { return lower(source.hub) == lower(called); });
    return entry;
}

Result<Catalogue> Catalogue::parse(std::string_view text, const std::string& where) {
    Catalogue read;
    try {
        Catalogue fresh;
        fresh.entries_ = Reading(where).entries(toml::parse(text));
        if (auto added = read.add(std::move(fresh), where); !added) return std::unexpected(std::move(added).error());
    } catch (const toml::parse_error& error) {
        return fail(ErrorCode::config_invalid,
                    std::format("{}: line {}, column {}: {}", where, error.source().begin.line,
                                error.source().begin.column, error.description()),
                    "the catalogue must be TOML (https://toml.io)");
    } catch (const Wrong& wrong) {
        return std::unexpected(wrong.error);
    }
    return read;
}

Result<Catalogue> Catalogue::load(const fs::path& file) {
    auto catalogue = builtin();
    if (!catalogue || file.empty()) return catalogue;
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (error || size > kLargestCatalogue) {
        return fail(ErrorCode::config_invalid,
                    error ? std::format("the catalogue {} cannot be read: {}", file.string(), error.message())
                          : std::format("the catalogue {} has {} bytes", file.string(), size),
                    "set catalogue to a file of the form of models/catalogue.toml, or leave it out", "catalogue");
    }
    std::ifstream stream(file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    if (stream.bad() || !stream.is_open())
        return fail(ErrorCode::config_invalid, std::format("the catalogue {} cannot be read", file.string()),
                    "check its permissions", "catalogue");
    auto more = parse(text, file.string());
    if (!more) return more;
    if (auto added = catalogue->add(*std::move(more), file.string()); !added)
        return std::unexpected(std::move(added).error());
    return catalogue;
}

Result<void> Catalogue::add(Catalogue other, const std::string& where) {
    for (auto& entry : other.entries_) {
        std::erase_if(entries_, [&](const Entry& old) { return old.name == entry.name; });
        entries_.push_back(std::move(entry));
    }
    std::map<std::string, std::string> owners;
    for (const auto& entry : entries_) {
        auto names = entry.aliases;
        names.push_back(entry.name);
        for (const auto& name : names) {
            const auto [owner, fresh] = owners.emplace(lower(name), entry.name);
            if (fresh || owner->second == entry.name) continue;
            return fail(ErrorCode::config_invalid,
                        std::format("{}: \"{}\" is a name of both {} and {}", where, name, owner->second, entry.name),
                        "keep it in one of them");
        }
    }
    return {};
}

const Entry* Catalogue::find(std::string_view called) const {
    const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.goes_by(called); });
    return found == entries_.end() ? nullptr : &*found;
}

Result<Entry> Catalogue::get(std::string_view called) const {
    if (const auto* entry = find(called)) return entry->asked_for_as(called);
    std::vector<std::string> names;
    for (const auto& entry : entries_) {
        names.push_back(entry.name);
        names.append_range(entry.aliases);
    }
    const auto nearest = closest(std::string(called), names);
    return fail(ErrorCode::model_not_found, std::format("the catalogue has no model \"{}\"", called),
                nearest ? std::format("did you mean {}?", *nearest) : "`hotmic pull list` names those there are",
                "model");
}

}  // namespace hotmic::store
