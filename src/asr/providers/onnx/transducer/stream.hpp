/// One stretch of speech that a transducer hears chunk by chunk, once.
#pragma once

#include <cstddef>
#include <vector>

#include "asr/providers/onnx/fbank.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/encoder.hpp"
#include "asr/providers/onnx/transducer/encoder_batches.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "asr/providers/onnx/transducer/predictor.hpp"
#include "asr/providers/onnx/transducer/search.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {

/// How far a stream is: plain data. A copy goes on from where it was taken.
struct TransducerStream {
    FbankStream fbank{};
    std::vector<float> features{};  ///< of frames that the encoder wants to see again, or has not seen
    EncoderState encoder{};
    SearchState search{};
    std::size_t samples = 0;  ///< fed
    std::size_t chunks = 0;   ///< that the encoder has taken
};

/// Takes streams further. One thread at a time, any number of streams in turn; what a stream hears depends on its audio
/// alone, not on how that was parted and not on other streams. Throws what the library throws; use within `guarded`.
class StreamStepper {
public:
    /// All outlive this.
    StreamStepper(const TransducerFolder& folder, const StreamingEncoder& encoder, EncoderBatches& batches,
                  const Predictor& predictor);

    [[nodiscard]] TransducerStream begin(const CancellableRun& run);
    /// Hears `audio`: all of it but what is no whole chunk yet. `most_paths` is the same each time.
    void feed(TransducerStream& stream, AudioView audio, int most_paths, const CancellableRun& run);
    /// Nothing more will come: hears what is left, and silence behind it, without which the last words would not come.
    void finish(TransducerStream& stream, int most_paths, const CancellableRun& run);

    /// Samples of the stream that make its next chunk whole.
    [[nodiscard]] std::size_t next_step_at(const TransducerStream& stream) const;
    /// Seconds of frames in which nothing was heard since the last piece.
    [[nodiscard]] Seconds trailing_blank(const TransducerStream& stream, std::size_t context) const;

    /// Seconds from one of the encoder's frames to the next.
    [[nodiscard]] Seconds frame_length() const noexcept { return frame_length_; }

private:
    const StreamingEncoder& encoder_;
    EncoderBatches& batches_;
    const std::size_t chunk_;  // in values
    const std::size_t shift_;
    const std::size_t shift_samples_;
    const std::size_t chunk_samples_;
    Seconds frame_length_;
    Fbank fbank_;
    TransducerSearch search_;
    EncodedFrames frames_;
};

}  // namespace hotmic::onnx
