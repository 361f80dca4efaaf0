/// A slot of the pocketsphinx provider: whole recordings, or a live stream.
#pragma once

#include "asr/providers/pocketsphinx/decoder.hpp"

namespace hotmic::pocketsphinx {

class PocketSphinxRecognizer final : public Recognizer {
public:
    explicit PocketSphinxRecognizer(DecoderPtr decoder);

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token stop) override;
    Result<std::unique_ptr<Stream>> open_stream(const TranscribeOptions& options) override;

private:
    Result<std::vector<Word>> decode(std::span<const std::int16_t> piece, double offset);

    DecoderPtr decoder_;
};

}  // namespace hotmic::pocketsphinx
