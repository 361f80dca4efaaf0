#include "text/sha256.hpp"

#include <array>
#include <memory>
#include <span>
#include <string>

#include "text/hex.hpp"

namespace hotmic {

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}

void Sha256::update(std::span<const char> bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Sha256::hex() const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
    unsigned length = 0;
    const std::unique_ptr<EVP_MD_CTX, Deleter> copy(EVP_MD_CTX_new());
    EVP_MD_CTX_copy_ex(copy.get(), context_.get());
    EVP_DigestFinal_ex(copy.get(), value.data(), &length);
    return hex_of(std::span(value).first(length));
}

}  // namespace hotmic
