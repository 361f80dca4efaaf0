/// Reads a model file for the engine: once, front to back, counting, hashing, and stopping when told to.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stop_token>
#include <string>

#include "hotmic/provider.hpp"

struct whisper_model_loader;

namespace hotmic::whisper_cpp {

/// The engine ignores how much a read returned, so this remembers: after the load, `whole` tells whether every byte of the file
/// reached it.
class WeightReader {
public:
    WeightReader(const std::filesystem::path& path, std::uint64_t size, LoadProgress& progress, std::stop_token stop);

    /// The engine's interface to this object, which must outlive the load.
    [[nodiscard]] whisper_model_loader loader();

    /// Every byte that the file was found to have has been read, and there were no more.
    [[nodiscard]] bool whole() const noexcept { return read_ == size_ && !short_read_; }
    [[nodiscard]] std::uint64_t bytes_read() const noexcept { return read_; }
    /// SHA-256 of what has been read, lower-case hex.
    [[nodiscard]] std::string digest() const;

private:
    std::size_t read(void* into, std::size_t count);

    struct DigestDeleter {
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };

    std::ifstream file_;
    const std::uint64_t size_;
    LoadProgress& progress_;
    const std::stop_token stop_;
    std::unique_ptr<EVP_MD_CTX, DigestDeleter> digest_;
    std::uint64_t read_ = 0;
    std::uint64_t reported_ = 0;
    bool ended_ = false;
    bool short_read_ = false;  // a read that began inside the file did not get all it asked for
};

}  // namespace hotmic::whisper_cpp
