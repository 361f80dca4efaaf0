#include "config/keys_file.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <map>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <toml++/toml.hpp>

#include "hotmic/error.hpp"
#include "text/hex.hpp"
#include "text/suggest.hpp"

namespace hotmic::config {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRoot = "keys";
constexpr std::size_t kLargestFile = 1 << 20;
constexpr std::size_t kLongestName = 64;
constexpr std::size_t kMostDigests = 8;
constexpr std::int64_t kMostOfAnything = 1'000'000'000;

/// Stops the reading of a text; never leaves this file.
struct Wrong {
    Error error;
};

std::optional<KeyDigest> digest_from(std::string_view hex) {
    KeyDigest digest{};
    if (hex.size() != 2 * digest.size()) return std::nullopt;
    const auto value = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    for (std::size_t i = 0; i < digest.size(); ++i) {
        const int high = value(hex[2 * i]);
        const int low = value(hex[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        digest[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return digest;
}

std::string quoted(const KeyDigest& digest) {
    return std::format("\"{}\"", hex_of(digest));
}

class KeysReading {
public:
    explicit KeysReading(std::string where) : where_(std::move(where)) {}

    std::vector<ApiKey> keys(const toml::table& document) {
        std::vector<ApiKey> all;
        for (const auto& [name, node] : document) {
            if (name.str() != kRoot)
                wrong(node, std::format("there is no section {}", name.str()),
                      "a file of keys has sections [keys.NAME] only");
            for (const auto& [key_name, key] : section(node, "keys")) {
                all.push_back(read(std::string(key_name.str()), key));
            }
        }
        return all;
    }

private:
    [[noreturn]] void wrong(const toml::node& node, const std::string& what, std::string remedy) const {
        const auto& at = node.source().begin;
        throw Wrong{{ErrorCode::config_invalid,
                     std::format("{}: line {}, column {}: {}", where_, at.line, at.column, what), std::move(remedy),
                     "server.keys_file"}};
    }

    const toml::table& section(const toml::node& node, const std::string& path) const {
        const auto* table = node.as_table();
        if (table == nullptr)
            wrong(node, std::format("{} is no section", path),
                  std::format("write [{}]", path == kRoot ? "keys.NAME" : path));
        return *table;
    }

    ApiKey read(const std::string& name, const toml::node& node) {
        const auto path = std::format("{}.{}", kRoot, name);
        if (!is_key_name(name))
            wrong(node, std::format("\"{}\" cannot be the name of a key", name),
                  "use letters, digits, _ and -, at most 64");
        ApiKey key{.name = name};
        for (const auto& [field, value] : section(node, path)) read_field(key, path, std::string(field.str()), value);
        if (key.digests.empty())
            wrong(node, std::format("{} has no sha256", path), "`hotmic key NAME` makes a key, and its section");
        if (key.scopes.empty())
            wrong(node, std::format("{} has no scopes, and so could do nothing", path),
                  "write scopes = [\"transcribe\"]; there are transcribe, metrics and admin");
        return key;
    }

    void read_field(ApiKey& key, const std::string& path, const std::string& field, const toml::node& value) {
        const auto about = std::format("{}.{}", path, field);
        if (field == "sha256")
            read_digests(key, about, value);
        else if (field == "scopes")
            read_scopes(key, about, value);
        else if (field == "requests_per_minute")
            key.requests_per_minute = number(about, value);
        else if (field == "max_requests")
            key.max_requests = number(about, value);
        else if (field == "max_streams")
            key.max_streams = number(about, value);
        else if (field == "expires")
            key.expires = moment(about, value);
        else
            unknown(value, path, field);
    }

    [[noreturn]] void unknown(const toml::node& value, const std::string& path, const std::string& field) const {
        const std::vector<std::string> known{"sha256",       "scopes",      "requests_per_minute",
                                             "max_requests", "max_streams", "expires"};
        const auto nearest = closest(field, known);
        wrong(value, std::format("{} has no field {}", path, field),
              nearest ? std::format("did you mean {}?", *nearest)
                      : "it has sha256, scopes, requests_per_minute, max_requests, max_streams and expires");
    }

    /// The texts of a list, or of one.
    std::vector<std::pair<const toml::node*, std::string>> texts(const std::string& about,
                                                                 const toml::node& value) const {
        std::vector<std::pair<const toml::node*, std::string>> all;
        const auto add = [&](const toml::node& node) {
            const auto* text = node.as_string();
            if (text == nullptr) wrong(node, std::format("{} is neither a text nor a list of texts", about), "");
            all.emplace_back(&node, text->get());
        };
        if (const auto* array = value.as_array()) {
            for (const auto& each : *array) add(each);
        } else {
            add(value);
        }
        return all;
    }

    void read_digests(ApiKey& key, const std::string& about, const toml::node& value) {
        for (const auto& [node, text] : texts(about, value)) {
            const auto digest = digest_from(text);
            // What is there may be the key itself, so it is not repeated.
            if (!digest)
                wrong(*node, std::format("{} is not 64 hexadecimal digits", about),
                      "it is the SHA-256 of the key, not the key: `printf %s KEY | sha256sum`");
            const auto [owner, fresh] = owners_.emplace(*digest, key.name);
            if (!fresh)
                wrong(
                    *node,
                    owner->second == key.name
                        ? std::format("{} holds a digest twice", about)
                        : std::format("{} holds a digest of keys.{}, too: one key cannot be two", about, owner->second),
                    "make each a key of its own: `hotmic key NAME`");
            key.digests.push_back(*digest);
        }
        if (key.digests.size() > kMostDigests)
            wrong(value, std::format("{} holds more than {} digests", about, kMostDigests),
                  "take those out that are no longer in use");
    }

    void read_scopes(ApiKey& key, const std::string& about, const toml::node& value) const {
        for (const auto& [node, text] : texts(about, value)) {
            const auto* found =
                std::ranges::find(kScopes, std::string_view(text), [](Scope scope) { return to_string(scope); });
            if (found == kScopes.end())
                wrong(*node, std::format("{}: there is no scope \"{}\"", about, text),
                      "there are transcribe, metrics and admin");
            if (!key.may(*found)) key.scopes.push_back(*found);
        }
    }

    std::uint32_t number(const std::string& about, const toml::node& value) const {
        const auto* whole = value.as_integer();
        if (whole == nullptr || whole->get() < 0 || whole->get() > kMostOfAnything)
            wrong(value, std::format("{} is no whole number from 0 to {}", about, kMostOfAnything), "0 is no limit");
        return static_cast<std::uint32_t>(whole->get());
    }

    std::chrono::sys_seconds moment(const std::string& about, const toml::node& value) const {
        using namespace std::chrono;
        const auto day_of = [&](const toml::date& date) {
            return sys_days(year_month_day(year(date.year), month(date.month), day(date.day)));
        };
        if (const auto* date = value.as_date()) return day_of(date->get());
        const auto* time = value.as_date_time();
        if (time == nullptr)
            wrong(value, std::format("{} is no moment", about), "write it without quotes: 2027-01-01T00:00:00Z");
        const auto& at = time->get();
        if (!at.offset)
            wrong(value, std::format("{} does not say in which time zone", about),
                  "add Z for UTC, or an offset like +01:00");
        return day_of(at.date) + hours(at.time.hour) + minutes(at.time.minute) + seconds(at.time.second) -
               minutes(at.offset->minutes);
    }

    const std::string where_;
    std::map<KeyDigest, std::string> owners_;
};

/// Errors: config_invalid.
Result<toml::table> parse_toml(std::string_view text, const std::string& where) {
    try {
        return toml::parse(text);
    } catch (const toml::parse_error& error) {
        return fail(ErrorCode::config_invalid,
                    std::format("{}: line {}, column {}: {}", where, error.source().begin.line,
                                error.source().begin.column, error.description()),
                    "the file must be TOML (https://toml.io)", "server.keys_file");
    }
}

/// Where a place of TOML, which counts lines and characters from 1, is in the text.
std::size_t offset_of(std::string_view text, const toml::source_position& place) {
    std::size_t at = 0;
    for (toml::source_index line = 1; line < place.line; ++line) at = text.find('\n', at) + 1;
    for (toml::source_index column = 1; column < place.column && at < text.size(); ++column) {
        ++at;
        while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    }
    return std::min(at, text.size());
}

}  // namespace

KeyDigest digest_of(std::string_view key) {
    KeyDigest digest{};
    static_assert(SHA256_DIGEST_LENGTH == std::tuple_size_v<KeyDigest>);
    ::SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
    return digest;
}

std::string_view to_string(Scope scope) noexcept {
    switch (scope) {
        case Scope::transcribe:
            return "transcribe";
        case Scope::metrics:
            return "metrics";
        case Scope::admin:
            return "admin";
    }
    std::unreachable();
}

bool ApiKey::may(Scope scope) const noexcept {
    return std::ranges::contains(scopes, scope);
}

bool is_key_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= kLongestName && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

Result<std::vector<ApiKey>> parse_keys(std::string_view text, const std::string& where) {
    const auto document = parse_toml(text, where);
    if (!document) return std::unexpected(document.error());
    try {
        return KeysReading(where).keys(*document);
    } catch (const Wrong& wrong) {
        return std::unexpected(wrong.error);
    }
}

Result<std::vector<ApiKey>> load_keys(const fs::path& file) {
    const auto unreadable = [&](const std::string& why) {
        return fail(ErrorCode::config_invalid, std::format("{} {}", file.string(), why),
                    "server.keys_file has to be a file of keys; `hotmic key NAME --add FILE` begins one",
                    "server.keys_file");
    };
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return unreadable(std::format("cannot be read: {}", std::strerror(errno)));
    std::string text(kLargestFile + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (stream.bad()) return unreadable("cannot be read");
    text.resize(static_cast<std::size_t>(stream.gcount()));
    if (text.size() > kLargestFile) return unreadable("has more than a megabyte");
    return parse_keys(text, file.string());
}

std::string section_of(const ApiKey& key) {
    const auto list = [](auto&& items, auto text_of) {
        std::string text;
        for (const auto& each : items) text += (text.empty() ? "" : ", ") + text_of(each);
        return text;
    };
    auto text = std::format("[{}.{}]\nsha256 = ", kRoot, key.name);
    text += key.digests.size() == 1 ? quoted(key.digests.front()) : std::format("[{}]", list(key.digests, quoted));
    text += std::format("\nscopes = [{}]\n",
                        list(key.scopes, [](Scope scope) { return std::format("\"{}\"", to_string(scope)); }));
    const auto limit = [&](const char* name, std::uint32_t most) {
        if (most > 0) text += std::format("{} = {}\n", name, most);
    };
    limit("requests_per_minute", key.requests_per_minute);
    limit("max_requests", key.max_requests);
    limit("max_streams", key.max_streams);
    if (key.expires) text += std::format("expires = {:%FT%TZ}\n", *key.expires);
    return text;
}

Result<std::string> with_key(const std::string& text, const ApiKey& key, const std::string& where) {
    auto known = parse_keys(text, where);
    if (!known) return std::unexpected(std::move(known).error());
    auto changed = text;
    if (const auto same = std::ranges::find(*known, key.name, &ApiKey::name); same != known->end()) {
        std::string digests;
        for (const auto& digest : same->digests) digests += quoted(digest) + ", ";
        const auto document = parse_toml(text, where);
        if (!document) return std::unexpected(document.error());
        const auto region = (*document)[kRoot][key.name]["sha256"].node()->source();
        const auto begin = offset_of(text, region.begin);
        changed.replace(begin, offset_of(text, region.end) - begin,
                        std::format("[{}{}]", digests, quoted(key.digests.front())));
    } else {
        if (!changed.empty()) changed += changed.ends_with('\n') ? "\n" : "\n\n";
        changed += section_of(key);
    }
    if (auto sound = parse_keys(changed, where); !sound) return std::unexpected(std::move(sound).error());
    return changed;
}

}  // namespace hotmic::config
