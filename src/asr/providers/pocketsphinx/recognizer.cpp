#include "asr/providers/pocketsphinx/recognizer.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "asr/long_audio.hpp"

namespace hotmic::pocketsphinx {
namespace {

/// A request is decoded in pieces of at most this length, cut at pauses: the engine cannot be interrupted within one.
constexpr std::size_t kPiece = 15 * kSampleRate;
/// Shorter than this the engine has no frame to look at.
constexpr std::size_t kShortest = kSampleRate / 10;

Result<void> check(const TranscribeOptions& options) {
    constexpr std::array<std::string_view, 4> kKnown{"", "auto", "en", "english"};
    if (!std::ranges::contains(kKnown, options.language)) {
        return fail(ErrorCode::unsupported_language, "this model knows English only, not \"" + options.language + "\"",
                    "use language=en, or a multilingual model", "language");
    }
    if (options.task == Task::translate) {
        return fail(ErrorCode::unsupported_parameter, "pocketsphinx does not translate", "use a multilingual whisper model", "task");
    }
    return {};
}

/// A whole utterance at once: the engine normalises over all of it, and begins without what it learned of earlier noise.
bool decode_whole(ps_decoder_t& decoder, std::span<const std::int16_t> pcm) {
    return ps_start_stream(&decoder) == 0 && ps_start_utt(&decoder) == 0 &&
           ps_process_raw(&decoder, pcm.data(), pcm.size(), 0, 1) >= 0 && ps_end_utt(&decoder) == 0;
}

/// Live recognition: the engine's endpointer finds utterances, each is decoded as it is spoken.
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
        auto pcm = to_pcm16(samples);
        if (!pcm) return std::unexpected(std::move(pcm).error());
        held_.insert(held_.end(), pcm->begin(), pcm->end());
        const auto frame = ps_endpointer_frame_size(endpointer_.get());
        std::vector<StreamEvent> events;
        std::size_t used = 0;
        for (; held_.size() - used >= frame; used += frame) {
            take(ps_endpointer_process(endpointer_.get(), held_.data() + used), frame, events);
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
        if (speech != nullptr) take(speech, count, events);
        if (in_utterance_) end_utterance(events);
        return events;
    }

private:
    /// Speech the endpointer released (null: none), or the end of it.
    void take(const std::int16_t* speech, std::size_t count, std::vector<StreamEvent>& events) {
        if (speech == nullptr) return;
        if (!in_utterance_) {
            in_utterance_ = true;
            start_ = ps_endpointer_speech_start(endpointer_.get());
            shown_.clear();
            ps_start_utt(&decoder_);
            events.push_back({StreamEvent::Kind::speech_started, start_, {}});
        }
        ps_process_raw(&decoder_, speech, count, 0, 0);
        if (ps_endpointer_in_speech(endpointer_.get()) == 0) end_utterance(events);
    }

    void partial(std::vector<StreamEvent>& events) {
        int score = 0;
        const char* text = ps_get_hyp(&decoder_, &score);
        if (text == nullptr || shown_ == text) return;
        shown_ = text;
        const double now = start_ + ps_get_n_frames(&decoder_) / 100.0;
        events.push_back({StreamEvent::Kind::partial, now, {.start = start_, .end = now, .text = shown_}});
    }

    void end_utterance(std::vector<StreamEvent>& events) {
        ps_end_utt(&decoder_);
        in_utterance_ = false;
        for (auto& segment : segments_of(words_of(decoder_, start_), with_words_)) {
            const double end = segment.end;
            events.push_back({StreamEvent::Kind::final, end, std::move(segment)});
        }
        events.push_back({StreamEvent::Kind::speech_stopped, ps_endpointer_speech_end(endpointer_.get()), {}});
    }

    ps_decoder_t& decoder_;
    EndpointerPtr endpointer_;
    const bool with_words_;
    std::vector<std::int16_t> held_;  // less than a frame
    std::string shown_;               // the last partial
    double start_ = 0;
    bool in_utterance_ = false;
};

}  // namespace

PocketSphinxRecognizer::PocketSphinxRecognizer(DecoderPtr decoder) : decoder_(std::move(decoder)) {}

Result<Transcript> PocketSphinxRecognizer::transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                                      std::stop_token stop) {
    if (auto fit = check(options); !fit) return std::unexpected(std::move(fit).error());
    auto pcm = to_pcm16(audio);
    if (!pcm) return std::unexpected(std::move(pcm).error());

    Transcript transcript{.text = {}, .language = "en", .duration = seconds_of(audio.size()), .segments = {}};
    for (std::size_t done = 0; done < audio.size();) {
        if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
        const auto rest = audio.subspan(done);
        const auto length = rest.size() <= kPiece ? rest.size() : best_pause(rest.first(kPiece), kPiece / 2);
        auto words = decode(std::span(*pcm).subspan(done, length), seconds_of(done));
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
    if (piece.size() < kShortest) return std::vector<Word>{};
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
