#include "asr/providers/onnx/whisper/engine.hpp"

#include <algorithm>
#include <ranges>
#include <utility>

#include "asr/providers/onnx/whisper/weights.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"

namespace hotmic::onnx {

double window_for(double seconds, double floor, double behind) {
    const double wanted = std::max(floor, seconds + behind);
    const auto* found = std::ranges::find_if(kWindows, [&](double window) { return window >= wanted; });
    return found == std::ranges::end(kWindows) ? kFullWindow : *found;
}

Engine::Engine(ModelSpec model_spec, ModelInfo model_info, WhisperWeights weights, int threads, LoadProgress& progress)
    : spec(std::move(model_spec)),
      info(std::move(model_info)),
      vocabulary(weights.vocabulary),
      rules(vocabulary, weights.suppressed, weights.suppressed_at_begin),
      mel_filters(std::move(weights.mel_filters)),
      alignment_heads(weights.alignment_heads),
      encoder(weights, threads),
      decoder((progress.beat(), weights), threads) {
    // Heads are looked up in the decoder's list of layers, which it made of these.
    std::ranges::sort(alignment_heads);
}

}  // namespace hotmic::onnx
