/// A slot of Whisper on ONNX Runtime.
#pragma once

#include <memory>
#include <random>
#include <stop_token>
#include <vector>

#include "asr/providers/onnx/log_mel.hpp"
#include "asr/providers/onnx/whisper/decoder.hpp"
#include "asr/providers/onnx/whisper/encoder.hpp"
#include "asr/providers/onnx/whisper/engine.hpp"
#include "asr/providers/onnx/whisper/gates.hpp"
#include "asr/providers/onnx/whisper/search.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {

/// One thread at a time. Audio longer than 30 s is cut at pauses into windows; each is encoded once, as long as it is,
/// and decoded greedily; an answer that is not credible is decoded again with the full window, then at higher
/// temperatures, within a budget that the audio's length sets.
class WhisperRecognizer final : public Recognizer {
public:
    explicit WhisperRecognizer(std::shared_ptr<const Engine> engine);

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token stop) override;

private:
    struct Request;
    struct Answer {
        Hypothesis hypothesis{};
        double no_speech_prob = 0;
        Doubt doubt = Doubt::none;
    };
    void recognize_window(AudioView window, Seconds offset, Request& request);
    void encode(AudioView window, double seconds, Request& request);
    /// The logits after the first token tell the language.
    /// `audio_seconds`: of the window, without what it was filled up with.
    void detect_language(Seconds length, Request& request);
    [[nodiscard]] std::vector<Token> steering(const Request& request, bool with_prompt) const;
    [[nodiscard]] Answer decode(double temperature, bool with_prompt, double seconds, Window window, Request& request);
    [[nodiscard]] Answer credible_answer(AudioView window, double length, Request& request);
    void add_segments(const Answer& answer, AudioView window, Seconds offset, Request& request);
    void add_words(std::vector<Segment>& segments, const Hypothesis& hypothesis, AudioView window, Request& request);

    const std::shared_ptr<const Engine> engine_;
    LogMel mel_;
    EncodedAudio audio_;
    DecoderState state_;
    std::mt19937 random_;  // NOLINT(cert-msc32-c,cert-msc51-cpp): seeded anew for each request, so that answers repeat
};

}  // namespace hotmic::onnx
