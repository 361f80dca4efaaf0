/// API keys as a file holds them: who may ask for what, and how much.
///
/// The file is TOML with a section for each key, and holds digests, never keys:
///
///     [keys.ci]
///     sha256 = "9f86…"                 # of the key; a list of several while it is rotated
///     scopes = ["transcribe"]          # transcribe, metrics, admin; none includes another
///     requests_per_minute = 120        # 0, as if it were not there: no limit; likewise the next two
///     max_requests = 4                 # under way at once
///     max_streams = 2                  # live, open at once
///     expires = 2027-01-01T00:00:00Z   # optional; or a date, which begins in UTC
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::config {

/// SHA-256 of a key. Keys are random and long, so a slow hash would add nothing: there is no list of likely ones to
/// try.
using KeyDigest = std::array<std::uint8_t, 32>;
[[nodiscard]] KeyDigest digest_of(std::string_view key);

/// What a key is good for.
enum class Scope : std::uint8_t {
    transcribe,  ///< recognition, and which models there are
    metrics,     ///< /metrics
    admin,       ///< /admin and /v2/repository
};
inline constexpr std::array kScopes{Scope::transcribe, Scope::metrics, Scope::admin};
[[nodiscard]] std::string_view to_string(Scope scope) noexcept;

struct ApiKey {
    std::string name;
    std::vector<KeyDigest> digests{};
    std::vector<Scope> scopes{};
    std::uint32_t requests_per_minute = 0;  ///< 0: no limit
    std::uint32_t max_requests = 0;         ///< under way at once; 0: no limit
    std::uint32_t max_streams = 0;          ///< open at once; 0: no limit
    std::optional<std::chrono::sys_seconds> expires{};

    [[nodiscard]] bool may(Scope scope) const noexcept;
};

/// Letters, digits, _ and -, at most 64: what may name a key.
[[nodiscard]] bool is_key_name(std::string_view name) noexcept;

/// `where` names the text in messages. Errors: config_invalid, with line and column.
[[nodiscard]] Result<std::vector<ApiKey>> parse_keys(std::string_view text, const std::string& where);
/// Errors: config_invalid; also where the file cannot be read, or has over a megabyte.
[[nodiscard]] Result<std::vector<ApiKey>> load_keys(const std::filesystem::path& file);

/// The text of `file` with a section for `key`; where there is one of that name already, with its digest added to that
/// one's, and nothing else changed. Errors: config_invalid: the text is no file of keys, or that key has all the
/// digests it may have.
[[nodiscard]] Result<std::string> with_key(const std::string& text, const ApiKey& key, const std::string& where);
/// A section as the file has it.
[[nodiscard]] std::string section_of(const ApiKey& key);

}  // namespace hotmic::config
