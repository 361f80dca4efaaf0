/// How the process logs: one logger, spdlog's default, to standard error.
#pragma once

#include <string>

namespace hotmic::telemetry {

/// `level`: trace, debug, info, warn, error. `format`: "text" for people, "json" for collectors (one object a line).
/// Text goes to systemd's journal as entries with fields where standard error leads there. Messages are a few words,
/// then key=value pairs.
void setup_logging(const std::string& level, const std::string& format);

}  // namespace hotmic::telemetry
