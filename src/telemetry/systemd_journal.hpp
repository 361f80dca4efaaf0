/// The log as entries of systemd's journal, whose fields can be asked for: `journalctl REQUEST_ID=…`.
#pragma once

#include <spdlog/sinks/sink.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hotmic::telemetry {

/// Standard error leads to the journal: $JOURNAL_STREAM names it (systemd.exec(5)).
[[nodiscard]] bool stderr_is_journal();

/// Writes to the journal itself instead. Any thread.
[[nodiscard]] std::shared_ptr<spdlog::sinks::sink> make_journal_sink();

/// "MESSAGE=…", "PRIORITY=…", and of the message's `key=value` pairs "REQUEST_ID=…", "INSTANCE_ID=…" and "MODEL=…",
/// where they have a value. What a message quotes holds no pairs.
[[nodiscard]] std::vector<std::string> journal_fields(spdlog::level::level_enum level, std::string_view message);

}  // namespace hotmic::telemetry
