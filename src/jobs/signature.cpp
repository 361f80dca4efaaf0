#include "jobs/signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <format>
#include <string>
#include <string_view>

#include "hotmic/error.hpp"

namespace hotmic::jobs {
namespace {

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Result<std::string> webhook_key(std::string_view secret) {
    constexpr std::string_view kPrefix = "whsec_";
    constexpr std::size_t kLeast = 24;
    constexpr std::size_t kMost = 64;
    const auto invalid = [] {
        return fail(ErrorCode::config_invalid, "jobs.webhook_secret is not whsec_ and base64 of 24 to 64 bytes",
                    "make one: echo whsec_$(openssl rand -base64 32)", "jobs.webhook_secret");
    };
    if (!secret.starts_with(kPrefix)) return invalid();
    secret.remove_prefix(kPrefix.size());
    if (secret.empty() || secret.size() % 4 != 0 || secret.size() > 2 * kMost) return invalid();
    std::string key(secret.size() / 4 * 3, '\0');
    const auto size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(key.data()), bytes_of(secret),
                                      static_cast<int>(secret.size()));
    if (size < 0) return invalid();
    const std::size_t padding = secret.ends_with("==") ? 2 : secret.ends_with('=') ? 1 : 0;
    key.resize(static_cast<std::size_t>(size) - padding);
    if (key.size() < kLeast || key.size() > kMost) return invalid();
    return key;
}

std::string signature_of(std::string_view key, std::string_view id, std::int64_t seconds, std::string_view body) {
    const auto content = std::format("{}.{}.{}", id, seconds, body);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(content), content.size(), digest.data(),
         &size);
    std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> text{};
    const auto length = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(size));
    return "v1," + std::string(reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(length));
}

}  // namespace hotmic::jobs
