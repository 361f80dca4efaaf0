#include "worker/channel.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "hotmic/error.hpp"
#include "system/descriptor.hpp"
#include "text/utf8.hpp"
#include "worker/protocol.hpp"

namespace hotmic::worker {
namespace {

bool write_all(int fd, iovec* parts, int count) {
    while (count > 0) {
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = static_cast<std::size_t>(count);
        auto sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return false;
        for (; count > 0 && sent >= static_cast<ssize_t>(parts->iov_len); ++parts, --count) {
            sent -= static_cast<ssize_t>(parts->iov_len);
        }
        if (count > 0) {
            parts->iov_base = static_cast<std::byte*>(parts->iov_base) + sent;
            parts->iov_len -= static_cast<std::size_t>(sent);
        }
    }
    return true;
}

bool read_all(int fd, void* into, std::size_t size) {
    auto* at = static_cast<std::byte*>(into);
    while (size > 0) {
        const auto got = recv(fd, at, size, MSG_WAITALL);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

iovec part(const void* data, std::size_t size) {
    return {const_cast<void*>(data), size};
}

}  // namespace

Error bounded(Error error) {
    for (auto* words : {&error.message, &error.remedy, &error.param}) *words = cut(*words, kMostWords);
    return error;
}

bool write_frame(int fd, Kind kind, std::span<const std::byte> body) {
    if (body.size() > kMaxFrame) return false;
    const FrameHeader header{kind, static_cast<std::uint32_t>(body.size())};
    std::array parts{part(&header, sizeof header), part(body.data(), body.size())};
    return write_all(fd, parts.data(), 2);
}

std::expected<Frame, Broken> read_frame(int fd, std::uint32_t largest) {
    FrameHeader header;
    if (!read_all(fd, &header, sizeof header)) return std::unexpected(Broken::closed);
    if (header.size > largest) return std::unexpected(Broken::nonsense);
    Frame frame{.kind = header.kind, .body = {}};
    bool whole = true;
    frame.body.resize_and_overwrite(header.size, [&](char* data, std::size_t size) {
        whole = read_all(fd, data, size);
        return whole ? size : 0;
    });
    if (!whole) return std::unexpected(Broken::closed);
    return frame;
}

bool send_control(int fd, Kind kind, std::span<const std::byte> body, int passed_fd, bool wait) {
    if (body.size() > kMaxControl) return false;
    const FrameHeader header{kind, static_cast<std::uint32_t>(body.size())};
    std::array parts{part(&header, sizeof header), part(body.data(), body.size())};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> rights{};
    if (passed_fd >= 0) {
        message.msg_control = rights.data();
        message.msg_controllen = rights.size();
        auto* control = CMSG_FIRSTHDR(&message);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(control), &passed_fd, sizeof(int));
    }
    while (true) {
        if (sendmsg(fd, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) >= 0) return true;
        if (errno != EINTR) return false;
    }
}

std::expected<Frame, Broken> receive_control(int fd) {
    std::string buffer(sizeof(FrameHeader) + kMaxControl, '\0');
    iovec into{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &into;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> rights{};
    message.msg_control = rights.data();
    message.msg_controllen = rights.size();
    ssize_t got = 0;
    do got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0) return std::unexpected(Broken::closed);

    Frame frame;
    for (auto* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
        // Alignment leaves room for more than the one we expect; what is not taken here would stay open for good.
        for (auto at = CMSG_LEN(0); at + sizeof(int) <= control->cmsg_len; at += sizeof(int)) {
            int passed = -1;
            std::memcpy(&passed, CMSG_DATA(control) + (at - CMSG_LEN(0)), sizeof(int));
            system::Descriptor owned(passed);
            if (!frame.passed) frame.passed = std::move(owned);
        }
    }
    if (got < static_cast<ssize_t>(sizeof(FrameHeader))) return std::unexpected(Broken::nonsense);
    FrameHeader header;
    std::memcpy(&header, buffer.data(), sizeof header);
    if (header.size != static_cast<std::size_t>(got) - sizeof header) return std::unexpected(Broken::nonsense);
    frame.kind = header.kind;
    frame.body = buffer.substr(sizeof header, header.size);
    return frame;
}

}  // namespace hotmic::worker
