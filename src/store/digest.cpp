#include "store/digest.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <span>
#include <vector>

#include "store/descriptor.hpp"
#include "text/hex.hpp"

namespace hotmic::store {

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

Result<std::uint64_t> read_into(Sha256& digest, const std::filesystem::path& file,
                                const std::function<void(std::uint64_t)>& told, const std::stop_token& stop) {
    const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!descriptor) {
        return fail(errno == ENOENT ? ErrorCode::model_file_missing : ErrorCode::io_error,
                    std::format("{} cannot be read: {}", file.string(), std::strerror(errno)));
    }
    std::vector<char> buffer(1 << 20);
    std::uint64_t total = 0;
    while (true) {
        if (stop.stop_requested()) return fail(ErrorCode::load_cancelled, "reading was cancelled");
        const auto got = ::read(descriptor.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return fail(ErrorCode::io_error, std::format("{} cannot be read: {}", file.string(), std::strerror(errno)),
                        "check the disk (dmesg)");
        if (got == 0) return total;
        digest.update(std::span(buffer).first(static_cast<std::size_t>(got)));
        total += static_cast<std::uint64_t>(got);
        if (told) told(total);
    }
}

}  // namespace hotmic::store
