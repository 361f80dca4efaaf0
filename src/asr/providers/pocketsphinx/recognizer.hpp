/// A slot of the pocketsphinx provider: whole recordings, and one stream at a time. While a stream is fed, it is heard
/// as it grows; its last step hears it whole, which hears better.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "asr/providers/pocketsphinx/decoder.hpp"
#include "asr/providers/pocketsphinx/growing_utterance.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::pocketsphinx {

class PocketSphinxRecognizer final : public Recognizer {
public:
    explicit PocketSphinxRecognizer(DecoderPtr decoder);

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token stop) override;

private:
    Result<Transcript> hear(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                            const std::stop_token& stop, bool growing);
    Result<Transcript> hear_step(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                 const std::stop_token& stop);
    Result<std::vector<Word>> decode(std::span<const std::int16_t> piece, Seconds offset);
    Result<std::vector<Word>> hear_growing(std::span<const std::int16_t> pcm);

    DecoderPtr decoder_;
    GrowingUtterance growing_;
    std::uint64_t stream_ = 0;  // that this slot has; 0: none
    std::vector<float> said_;   // of it, so far
};

}  // namespace hotmic::pocketsphinx
