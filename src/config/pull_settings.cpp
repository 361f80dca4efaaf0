#include "config/pull_settings.hpp"

#include <chrono>

#include "config/config.hpp"
#include "hotmic/units.hpp"
#include "store/pull.hpp"

namespace hotmic::config {

store::PullSettings pull_settings(const Config& config) {
    auto settings = store::PullSettings::of_process(config.download.mirrors);
    settings.offline |= config.offline;
    settings.limits.max_size = Bytes(config.download.max_bytes);
    settings.limits.timeout = std::chrono::duration_cast<std::chrono::seconds>(config.download.timeout);
    settings.limits.stall = std::chrono::duration_cast<std::chrono::seconds>(config.download.stall_timeout);
    return settings;
}

}  // namespace hotmic::config
