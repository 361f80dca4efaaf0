/// Recordings cut where somebody speaks: the one way in which files come to an engine.
#pragma once

#include <memory>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"

namespace hotmic {

/// The longest stretch that an engine is given at once.
inline constexpr Seconds kLongestWindow{30};

/// A window for each utterance, and none for silence. One longer than `longest` is cut in its best pause. With a
/// trained detector the cutter is a SpeechMap of its windows. Errors: internal, when there is no memory
/// for a voice detector.
[[nodiscard]] Result<std::unique_ptr<WindowCutter>> make_speech_cutter(const Endpointing& endpointing,
                                                                       Seconds longest = kLongestWindow);

/// How a recording is cut for which nothing else was asked. With a trained detector: at pauses of 0.8 s. Without one
/// only long silence can be told from speech for sure: what is left out are pauses of 3 s, and a recording of up to 3 s
/// in which nothing is found is heard nevertheless, unless it is silent.
[[nodiscard]] Result<std::unique_ptr<WindowCutter>> make_file_cutter(std::shared_ptr<const VadModel> vad_model);

}  // namespace hotmic
