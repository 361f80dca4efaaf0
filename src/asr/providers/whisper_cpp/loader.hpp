/// Gives libwhisper a checked file to read.
#pragma once

#include <whisper.h>

#include <cstddef>

#include "asr/whisper/weight_reader.hpp"

namespace hotmic::whisper_cpp {

/// The engine's interface to `reader`, which must outlive the load.
[[nodiscard]] inline whisper_model_loader loader_of(whisper::WeightReader& reader) {
    return {.context = &reader,
            .read =
                [](void* self, void* into, std::size_t count) {
                    return static_cast<whisper::WeightReader*>(self)->read(static_cast<char*>(into), count);
                },
            .eof = [](void* self) { return static_cast<whisper::WeightReader*>(self)->ended(); },
            .close = [](void*) {}};
}

}  // namespace hotmic::whisper_cpp
