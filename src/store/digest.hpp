/// SHA-256 of what passes by.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "hotmic/error.hpp"

namespace hotmic::store {

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

/// Reads a file into `digest`; `told` hears how many bytes have been read. Errors: model_file_missing, io_error,
/// load_cancelled.
[[nodiscard]] Result<std::uint64_t> read_into(Sha256& digest, const std::filesystem::path& file,
                                              const std::function<void(std::uint64_t)>& told = {},
                                              const std::stop_token& stop = {});

}  // namespace hotmic::store
