/// The one table of configuration keys. Reading TOML, the environment and flags, printing, checking ranges and writing
/// docs/configuration.md are all loops over it; a new key is one new row.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic::config {

/// Where a key's value lives in the structs. What it points to decides the type of the key.
using Field = std::variant<bool*, int*, std::uint16_t*, std::uint32_t*, std::uint64_t*, double*, std::string*,
                           std::filesystem::path*, std::vector<std::string>*, milliseconds*, std::optional<double>*,
                           std::optional<milliseconds>*, Validate*>;

/// A value on its way from a source to a field or back. monostate: an optional key that is not set.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// What a value of a key looks like to the person who writes it.
enum class Kind : std::uint8_t { boolean, integer, number, text, list };

struct Range {
    double min = -std::numeric_limits<double>::infinity();
    double max = std::numeric_limits<double>::infinity();
};

/// What it takes for a changed value to count while a server runs.
enum class Effect : std::uint8_t {
    restart,  ///< a new server
    swap,     ///< the model is made ready anew
    none,     ///< nothing: it is looked at when it matters
};

/// One row.
struct Key {
    std::string_view path;  ///< "server.port"; in "models.*.path" the * stands for the model's name
    std::string_view doc;   ///< one sentence, for docs/configuration.md
    Field (*field)(Config&, Model&);
    Range range{};
    std::span<const std::string_view> choices{};  ///< the only values there are, where that is so
    bool secret = false;                          ///< printed masked
    Effect effect = path.starts_with("models.*") ? Effect::swap : Effect::restart;
};

/// A part of the file: [path] and the keys below it that no longer section claims.
struct Section {
    std::string_view path;  ///< "" for the top
    std::string_view doc;
};

[[nodiscard]] std::span<const Key> keys() noexcept;
[[nodiscard]] std::span<const Section> sections() noexcept;
[[nodiscard]] const Section& section_of(const Key& key) noexcept;

/// "models.*.path" for the model "default": "models.default.path".
[[nodiscard]] std::string path_of(std::string_view pattern, std::string_view model);
/// The environment variable of a path: "server.port" is HOTMIC_SERVER_PORT.
[[nodiscard]] std::string variable_of(std::string_view path);

[[nodiscard]] Kind kind_of(const Key& key);
/// "an integer from 0 to 65535", "one of text, json", …
[[nodiscard]] std::string expectation_of(const Key& key);

[[nodiscard]] Value read(const Key& key, Config& config, Model& model);
/// Stores `value`, or says what was expected instead ("expected an integer from 0 to 65535, found 70000").
[[nodiscard]] std::expected<void, std::string> assign(const Key& key, const Value& value, Config& config, Model& model);
/// Reads a value as a flag or an environment variable spells it; lists are comma-separated or a TOML array.
[[nodiscard]] std::expected<Value, std::string> parse_text(const Key& key, std::string_view text);

/// `value` as TOML writes it.
[[nodiscard]] std::string to_toml(const Value& value);

}  // namespace hotmic::config
