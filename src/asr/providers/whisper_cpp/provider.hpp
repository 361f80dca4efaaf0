/// Whisper models in ggml's file format, run by libwhisper (whisper.cpp) on whatever backends ggml finds.
#pragma once

#include <memory>

#include "hotmic/provider.hpp"

namespace hotmic::whisper_cpp {

[[nodiscard]] std::shared_ptr<Provider> make_provider();

}  // namespace hotmic::whisper_cpp
