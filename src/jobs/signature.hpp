/// Signatures of webhooks, as https://www.standardwebhooks.com has them: whoever shares the secret can tell that a
/// message came from here, was not changed, and is no old one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hotmic/error.hpp"

namespace hotmic::jobs {

/// The bytes of a secret, "whsec_" and base64 of 24 to 64 bytes. Errors: config_invalid.
[[nodiscard]] Result<std::string> webhook_key(std::string_view secret);

/// "v1," and base64 of the HMAC-SHA256 of "ID.SECONDS.BODY".
[[nodiscard]] std::string signature_of(std::string_view key, std::string_view id, std::int64_t seconds,
                                       std::string_view body);

}  // namespace hotmic::jobs
