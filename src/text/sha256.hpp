/// SHA-256 of what passes by.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <span>
#include <string>

namespace hotmic {

class Sha256 {
public:
    Sha256();

    void update(std::span<const char> bytes);
    /// Lower-case hex, of everything so far.
    [[nodiscard]] std::string hex() const;

private:
    struct Deleter {
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD_CTX, Deleter> context_;
};

}  // namespace hotmic
