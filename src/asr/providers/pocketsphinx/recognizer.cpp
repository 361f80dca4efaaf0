#include "asr/providers/pocketsphinx/recognizer.hpp"

#include <algorithm>
#include <utility>

#include "asr/languages.hpp"
#include "asr/long_audio.hpp"

namespace hotmic::pocketsphinx {
namespace {

/// A request is decoded in pieces of at most this length, cut at pauses: the engine cannot be interrupted within one.
constexpr std::size_t kPiece = 15 * kSampleRate;
/// Shorter than this the engine has no frame to look at.
constexpr std::size_t kShortest = kSampleRate / 10;
/// Of a stream, in samples.
constexpr std::size_t kLongestUtterance = 30 * kSampleRate;

Result<void> check(const TranscribeOptions& options) {
    const bool any = options.language.empty() || options.language == "auto";
    if (!any && language_code(options.language) != "en") {
        return fail(ErrorCode::unsupported_language, "this model knows English only, not \"" + options.language + "\"",
                    "use language=en, or a multilingual model", "language");
    }
    if (options.task == Task::translate) {
        return fail(ErrorCode::unsupported_parameter, "pocketsphinx does not translate",
                    "use a multilingual whisper model", "task");
    }
    return {};
}

/// A whole utterance at once: the engine normalises over all of it, and begins without what it learned of earlier
/// noise.
bool decode_whole(ps_decoder_t& decoder, std::span<const std::int16_t> pcm) {
    ps_start_stream(&decoder);  // fails for a model that removes no noise, and then there is nothing to forget
    return ps_start_utt(&decoder) == 0 && ps_process_raw(&decoder, pcm.data(), pcm.size(), 0, 1) >= 0 &&
           ps_end_utt(&decoder) == 0;
}

/// Live recognition: the engine's endpointer finds utterances, each is decoded as it is spoken. Someone who never
/// pauses is cut every `kLongestUtterance`, for the engine's memory and its last pass grow with the utterance.
class LiveStream final : public Stream {
public:
    LiveStream(ps_decoder_t& decoder, EndpointerPtr endpointer, bool with_words)
        : decoder_(decoder), endpointer_(std::move(endpointer)), with_words_(with_words) {}

    ~LiveStream() override {
        if (in_utterance_) ps_end_utt(&decoder_);
        // Streaming leaves running means behind; the next request on this slot starts without them.
        ps_reinit_feat(&decoder_, nullptr);
    }
    LiveStream(const LiveStream&) = delete;
    LiveStream& operator=(const LiveStream&) = delete;

    Result<std::vector<StreamEvent>> feed(AudioView samples) override {
        if (auto finite = check_samples(samples); !finite) return std::unexpected(std::move(finite).error());
        const auto pcm = to_pcm16(samples);
        held_.insert(held_.end(), pcm.begin(), pcm.end());
        const auto frame = ps_endpointer_frame_size(endpointer_.get());
        std::vector<StreamEvent> events;
        std::size_t used = 0;
        for (; held_.size() - used >= frame; used += frame) {
            const auto* speech = ps_endpointer_process(endpointer_.get(), held_.data() + used);
            if (speech != nullptr && !take({speech, frame}, events)) return failed();
        }
        held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(used));
        if (in_utterance_) partial(events);
        return events;
    }

    Result<std::vector<StreamEvent>> finish() override {
        std::vector<StreamEvent> events;
        std::size_t count = 0;
        const auto* speech = ps_endpointer_end_stream(endpointer_.get(), held_.data(), held_.size(), &count);
        held_.clear();
        if (speech != nullptr && count > 0 && !take({speech, count}, events)) return failed();
        if (in_utterance_ && !stop(events)) return failed();
        return events;
    }

private:
    static std::unexpected<Error> failed() {
        return fail(ErrorCode::inference_failed, "PocketSphinx failed on this stream");
    }

    /// Where the decoder is, on the stream's clock.
    [[nodiscard]] double now() const { return start_ + seconds_of(decoded_); }

    /// Speech that the endpointer released. False: the engine failed.
    bool take(std::span<const std::int16_t> speech, std::vector<StreamEvent>& events) {
        if (!in_utterance_) {
            if (!begin(ps_endpointer_speech_start(endpointer_.get()))) return false;
            events.push_back({StreamEvent::Kind::speech_started, start_, {}});
        }
        if (ps_process_raw(&decoder_, speech.data(), speech.size(), 0, 0) < 0) return false;
        decoded_ += speech.size();
        if (ps_endpointer_in_speech(endpointer_.get()) == 0) return stop(events);
        return decoded_ < kLongestUtterance || (end(events) && begin(now()));
    }

    bool begin(double time) {
        start_ = time;
        decoded_ = 0;
        shown_.clear();
        in_utterance_ = ps_start_utt(&decoder_) == 0;
        return in_utterance_;
    }

    void partial(std::vector<StreamEvent>& events) {
        int score = 0;
        const char* text = ps_get_hyp(&decoder_, &score);
        if (text == nullptr || shown_ == text) return;
        shown_ = text;
        events.push_back({StreamEvent::Kind::partial, now(), {.start = start_, .end = now(), .text = shown_}});
    }

    bool end(std::vector<StreamEvent>& events) {
        in_utterance_ = false;
        if (ps_end_utt(&decoder_) < 0) return false;
        for (auto& segment : segments_of(words_of(decoder_, start_), with_words_)) {
            const double time = segment.end;
            events.push_back({StreamEvent::Kind::final, time, std::move(segment)});
        }
        return true;
    }

    bool stop(std::vector<StreamEvent>& events) {
        if (!end(events)) return false;
        events.push_back(
            {StreamEvent::Kind::speech_stopped, std::max(start_, ps_endpointer_speech_end(endpointer_.get())), {}});
        return true;
    }

    ps_decoder_t& decoder_;
    EndpointerPtr endpointer_;
    const bool with_words_;
    std::vector<std::int16_t> held_;  // less than a frame
    std::string shown_;               // the last partial
    double start_ = 0;                // of the utterance
    std::size_t decoded_ = 0;         // samples of the utterance
    bool in_utterance_ = false;
};

}  // namespace

PocketSphinxRecognizer::PocketSphinxRecognizer(DecoderPtr decoder) : decoder_(std::move(decoder)) {}

Result<Transcript> PocketSphinxRecognizer::transcribe(AudioView audio, const TranscribeOptions& options,
                                                      const SegmentSink& sink, std::stop_token stop) {
    if (auto fit = check(options); !fit) return std::unexpected(std::move(fit).error());
    if (auto finite = check_samples(audio); !finite) return std::unexpected(std::move(finite).error());

    Transcript transcript{.text = {}, .language = "en", .duration = seconds_of(audio.size()), .segments = {}};
    for (std::size_t done = 0; done < audio.size();) {
        if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
        const auto rest = audio.subspan(done);
        const auto length = rest.size() <= kPiece ? rest.size() : best_pause(rest.first(kPiece), kPiece / 2);
        auto words = decode(to_pcm16(rest.first(length)), seconds_of(done));
        if (!words) return std::unexpected(std::move(words).error());
        done += length;
        for (auto& segment : segments_of(*std::move(words), options.word_timestamps)) {
            if (!transcript.text.empty()) transcript.text += ' ';
            transcript.text += segment.text;
            if (sink) sink(segment);
            transcript.segments.push_back(std::move(segment));
        }
    }
    if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
    return transcript;
}

Result<std::vector<Word>> PocketSphinxRecognizer::decode(std::span<const std::int16_t> piece, double offset) {
    if (piece.size() < kShortest || !has_voice(piece)) return std::vector<Word>{};
    if (!decode_whole(*decoder_, piece)) return fail(ErrorCode::inference_failed, "PocketSphinx failed on this audio");
    return words_of(*decoder_, offset);
}

Result<std::unique_ptr<Stream>> PocketSphinxRecognizer::open_stream(const TranscribeOptions& options) {
    if (auto fit = check(options); !fit) return std::unexpected(std::move(fit).error());
    EndpointerPtr endpointer(ps_endpointer_init(0, 0, PS_VAD_LOOSE, kSampleRate, 0));
    if (!endpointer) return fail(ErrorCode::inference_failed, "PocketSphinx's endpointer could not be made");
    ps_reinit_feat(decoder_.get(), nullptr);
    return std::make_unique<LiveStream>(*decoder_, std::move(endpointer), options.word_timestamps);
}

}  // namespace hotmic::pocketsphinx
