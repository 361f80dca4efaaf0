/// What the warmup makes of what it measured and heard: whether a model may be called READY, and why not.
#pragma once

#include <optional>
#include <string>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic {

/// What no transcript may have: numbers that are not finite, segments out of order. None where it is well formed.
[[nodiscard]] std::optional<std::string> malformation(const Transcript& transcript);

/// Compares what was measured with `ready_if`. Errors: too_slow.
[[nodiscard]] Result<void> check_target(const WarmupReport& report, const WarmupOptions& options);

/// What an inference that failed at this level means for the load as a whole.
[[nodiscard]] Error explain(Error error, int level);

}  // namespace hotmic
