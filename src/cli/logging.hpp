/// The log of the process: lines on stderr, as text for people or as JSON for collectors.
#pragma once

#include "config/config.hpp"

namespace hotmic::cli {

/// Replaces spdlog's default logger.
void set_up_log(const config::Log& log);

}  // namespace hotmic::cli
