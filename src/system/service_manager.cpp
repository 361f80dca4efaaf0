#include "system/service_manager.hpp"

#include <systemd/sd-daemon.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <format>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::system {

Result<std::vector<InheritedSocket>> take_inherited_sockets() {
    char** names = nullptr;
    const int count = sd_listen_fds_with_names(1, &names);
    if (count < 0) {
        return fail(ErrorCode::config_invalid,
                    std::format("the sockets that LISTEN_FDS tells of cannot be taken: {}", std::strerror(-count)),
                    "unset LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES, or start hotmic by a socket unit");
    }
    std::vector<InheritedSocket> sockets;
    for (int i = 0; i < count; ++i) {
        sockets.push_back({SD_LISTEN_FDS_START + i, names[i]});
        std::free(names[i]);
    }
    std::free(static_cast<void*>(names));
    return sockets;
}

bool has_service_manager() {
    const char* socket = std::getenv("NOTIFY_SOCKET");
    return socket != nullptr && *socket != '\0';
}

void tell_service_manager(const std::string& lines) {
    (void)sd_notify(0, lines.c_str());
}

std::chrono::microseconds watchdog_interval() {
    std::uint64_t microseconds = 0;
    if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::chrono::microseconds(0);
    return std::chrono::microseconds(microseconds);
}

}  // namespace hotmic::system
