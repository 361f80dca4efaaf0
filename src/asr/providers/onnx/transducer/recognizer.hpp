/// A slot of a streaming transducer on ONNX Runtime.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/engine.hpp"
#include "asr/providers/onnx/transducer/search.hpp"
#include "asr/providers/onnx/transducer/stream.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {

/// One thread at a time. Audio is heard from its beginning to its end, chunk by chunk, however long it is. A step of a
/// stream hears its own audio only, on whatever slot (KeptStreams).
class TransducerRecognizer final : public Recognizer {
public:
    explicit TransducerRecognizer(std::shared_ptr<TransducerEngine> engine);

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token stop) override;

private:
    [[nodiscard]] Result<void> check(AudioView audio, const TranscribeOptions& options) const;
    [[nodiscard]] Transcript hear(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  const CancellableRun& run);
    [[nodiscard]] Result<Transcript> hear_step(AudioView audio, const TranscribeOptions& options,
                                               const CancellableRun& run);
    [[nodiscard]] int paths_for(const TranscribeOptions& options) const;
    [[nodiscard]] TransducerStream begin_stream(const TranscribeOptions& options, const CancellableRun& run);
    [[nodiscard]] Transcript begin_transcript(const TranscribeOptions& options, std::size_t samples) const;
    [[nodiscard]] std::vector<Word> words_in(std::span<const EmittedPiece> pieces, Seconds length) const;

    const std::shared_ptr<TransducerEngine> engine_;
    StreamStepper stepper_;
};

}  // namespace hotmic::onnx
