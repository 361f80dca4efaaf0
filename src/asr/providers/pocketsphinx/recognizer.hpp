/// A slot of the pocketsphinx provider: whole recordings, and utterances that are still being spoken.
#pragma once

#include "asr/providers/pocketsphinx/decoder.hpp"
#include "asr/providers/pocketsphinx/growing_utterance.hpp"

namespace hotmic::pocketsphinx {

class PocketSphinxRecognizer final : public Recognizer {
public:
    explicit PocketSphinxRecognizer(DecoderPtr decoder);

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token stop) override;

private:
    Result<std::vector<Word>> decode(std::span<const std::int16_t> piece, double offset);
    Result<std::vector<Word>> hear_growing(std::span<const std::int16_t> pcm);

    DecoderPtr decoder_;
    GrowingUtterance growing_;
};

}  // namespace hotmic::pocketsphinx
