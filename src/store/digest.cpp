#include "store/digest.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <format>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/descriptor.hpp"
#include "text/sha256.hpp"

namespace hotmic::store {

Result<Bytes> read_into(Sha256& digest, const std::filesystem::path& file, const std::function<void(Bytes)>& told,
                        const std::stop_token& stop) {
    const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!descriptor) {
        return fail(errno == ENOENT ? ErrorCode::model_file_missing : ErrorCode::io_error,
                    std::format("{} cannot be read: {}", file.string(), std::strerror(errno)));
    }
    std::vector<char> buffer(1 << 20);
    Bytes total;
    while (true) {
        if (stop.stop_requested()) return fail(ErrorCode::load_cancelled, "reading was cancelled");
        const auto got = ::read(descriptor.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return fail(ErrorCode::io_error, std::format("{} cannot be read: {}", file.string(), std::strerror(errno)),
                        "check the disk (dmesg)");
        if (got == 0) return total;
        digest.update(std::span(buffer).first(static_cast<std::size_t>(got)));
        total += Bytes(got);
        if (told) told(total);
    }
}

}  // namespace hotmic::store
