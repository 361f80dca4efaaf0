#include "asr/providers/onnx/transducer/stream.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "asr/providers/onnx/fbank.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/encoder.hpp"
#include "asr/providers/onnx/transducer/encoder_batches.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "asr/providers/onnx/transducer/predictor.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {
namespace {

/// Frames of silence behind the end: pieces come a little after they were said.
constexpr std::size_t kSilentFrames = 40;

}  // namespace

StreamStepper::StreamStepper(const TransducerFolder& folder, const StreamingEncoder& encoder, EncoderBatches& batches,
                             const Predictor& predictor)
    : encoder_(encoder),
      batches_(batches),
      chunk_(static_cast<std::size_t>(folder.chunk) * static_cast<std::size_t>(folder.bins)),
      shift_(static_cast<std::size_t>(folder.chunk_shift) * static_cast<std::size_t>(folder.bins)),
      shift_samples_(static_cast<std::size_t>(folder.chunk_shift) * kFbankHop),
      chunk_samples_(static_cast<std::size_t>(folder.chunk) * kFbankHop),
      frame_length_(seconds_of(static_cast<std::size_t>(folder.subsampling) * kFbankHop)),
      fbank_(static_cast<std::size_t>(folder.bins), folder.features),
      search_(predictor, folder) {}

TransducerStream StreamStepper::begin(const CancellableRun& run) {
    return {.encoder = encoder_.begin(), .search = search_.begin(run)};
}

void StreamStepper::feed(TransducerStream& stream, AudioView audio, int most_paths, const CancellableRun& run) {
    while (!audio.empty()) {
        // By the chunk, so that no more features are held than one needs.
        const auto piece = audio.first(std::min(audio.size(), shift_samples_));
        audio = audio.subspan(piece.size());
        stream.samples += piece.size();
        stream.fbank.feed(piece, fbank_, stream.features);
        while (stream.features.size() >= chunk_) {
            ++stream.chunks;
            batches_.run(
                {.features = std::span(stream.features).first(chunk_), .state = &stream.encoder, .frames = &frames_},
                run);
            stream.features.erase(stream.features.begin(),
                                  stream.features.begin() + static_cast<std::ptrdiff_t>(shift_));
            search_.advance(stream.search, frames_.values, most_paths, run);
        }
    }
}

void StreamStepper::finish(TransducerStream& stream, int most_paths, const CancellableRun& run) {
    // So much that the chunk with the last of the silent frames is whole.
    const std::size_t wanted = stream.samples + kSilentFrames * kFbankHop;
    const std::size_t chunks = (wanted + shift_samples_ - 1) / shift_samples_;
    const std::size_t end = (chunks - 1) * shift_samples_ + chunk_samples_ + kFbankWindow;
    const std::vector<float> silence(end > stream.samples ? end - stream.samples : 0);
    feed(stream, silence, most_paths, run);
    TransducerSearch::finish(stream.search);
}

std::size_t StreamStepper::next_step_at(const TransducerStream& stream) const {
    return FbankStream::samples_for((stream.chunks * shift_ + chunk_) / fbank_.bins());
}

Seconds StreamStepper::trailing_blank(const TransducerStream& stream, std::size_t context) const {
    const auto& pieces = stream.search.best(context).pieces;
    const int heard = stream.search.frames;
    return (pieces.empty() ? heard : heard - pieces.back().frame - 1) * frame_length_;
}

}  // namespace hotmic::onnx
