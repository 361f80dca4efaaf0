/// Recordings cut as live streams are: where somebody speaks.
#pragma once

#include <memory>

#include "hotmic/voice.hpp"

namespace hotmic {

/// A window for each utterance, and none for silence. One longer than `max_seconds` is cut in its best pause. Errors:
/// internal, when there is no memory for a voice detector.
[[nodiscard]] Result<std::unique_ptr<WindowCutter>> make_voice_cutter(const Endpointing& endpointing,
                                                                      double max_seconds = 30);

}  // namespace hotmic
