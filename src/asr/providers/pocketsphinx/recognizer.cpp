#include "asr/providers/pocketsphinx/recognizer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <format>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "asr/languages.hpp"
#include "asr/limits.hpp"
#include "asr/long_audio.hpp"
#include "asr/providers/pocketsphinx/decoder.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::pocketsphinx {
namespace {

/// A request is decoded in pieces of at most this length, cut at pauses: the engine cannot be interrupted within one.
constexpr std::size_t kPiece = 15 * kSampleRate;
/// Utterances are cut sooner.
constexpr std::size_t kLongestStream = 120 * kSampleRate;
/// Shorter than this the engine has no frame to look at.
constexpr std::size_t kShortest = kSampleRate / 10;

Result<void> check(const TranscribeOptions& options) {
    const bool any = options.language.empty() || options.language == "auto";
    if (!any && language_code(options.language) != "en") {
        return fail(ErrorCode::unsupported_language, "this model knows English only, not \"" + options.language + "\"",
                    "use language=en, or a multilingual model", "language");
    }
    const auto other =
        std::ranges::find_if(options.languages, [](const auto& each) { return language_code(each) != "en"; });
    if (other != options.languages.end()) {
        return fail(ErrorCode::unsupported_language, "this model knows English only, not \"" + *other + "\"",
                    "use languages=en, or a multilingual model", "languages");
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

}  // namespace

PocketSphinxRecognizer::PocketSphinxRecognizer(DecoderPtr decoder)
    : decoder_(std::move(decoder)), growing_(*decoder_) {}

Result<Transcript> PocketSphinxRecognizer::transcribe(AudioView audio, const TranscribeOptions& options,
                                                      const SegmentSink& sink, std::stop_token stop) {
    if (auto fit = check(options); !fit) return std::unexpected(std::move(fit).error());
    if (auto finite = check_samples(audio); !finite) return std::unexpected(std::move(finite).error());

    return options.step.stream == 0 ? hear(audio, options, sink, stop, false) : hear_step(audio, options, sink, stop);
}

Result<Transcript> PocketSphinxRecognizer::hear_step(AudioView audio, const TranscribeOptions& options,
                                                     const SegmentSink& sink, const std::stop_token& stop) {
    const auto& step = options.step;
    if (step.from == Samples::zero()) {
        stream_ = step.stream;
        said_.clear();
    }
    if (stream_ != step.stream || said_.size() != samples_in(step.from)) {
        return fail(ErrorCode::stream_lost,
                    std::format("this slot has no stream that said {} samples", step.from.count()),
                    "feed the stream from its beginning");
    }
    said_.append_range(audio);
    if (said_.size() > kLongestStream || step.last) stream_ = 0;
    if (said_.size() > kLongestStream) {
        return fail(ErrorCode::audio_too_long,
                    std::format("a stream of more than {:.0f} s is not kept", seconds_of(kLongestStream).count()),
                    "begin another one in a pause");
    }
    auto heard = hear(said_, options, sink, stop, !step.last);
    if (step.last) said_ = {};
    return heard;
}

Result<Transcript> PocketSphinxRecognizer::hear(AudioView audio, const TranscribeOptions& options,
                                                const SegmentSink& sink, const std::stop_token& stop, bool growing) {
    Transcript transcript{.text = {}, .language = "en", .duration = seconds_of(audio.size()), .segments = {}};
    for (std::size_t done = 0; done < audio.size();) {
        if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
        const auto rest = audio.subspan(done);
        const auto length = rest.size() <= kPiece || growing ? rest.size() : best_pause(rest.first(kPiece), kPiece / 2);
        const auto pcm = to_pcm16(rest.first(length));
        auto words = growing ? hear_growing(pcm) : decode(pcm, seconds_of(done));
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

Result<std::vector<Word>> PocketSphinxRecognizer::decode(std::span<const std::int16_t> piece, Seconds offset) {
    if (piece.size() < kShortest || !has_voice(piece)) return std::vector<Word>{};
    growing_.let_go();
    if (!decode_whole(*decoder_, piece)) return fail(ErrorCode::inference_failed, "PocketSphinx failed on this audio");
    return words_of(*decoder_, offset);
}

Result<std::vector<Word>> PocketSphinxRecognizer::hear_growing(std::span<const std::int16_t> pcm) {
    if (pcm.size() < kShortest || !has_voice(pcm)) return std::vector<Word>{};
    if (!growing_.hear(pcm)) {
        growing_.let_go();
        return fail(ErrorCode::inference_failed, "PocketSphinx failed on this audio");
    }
    return words_of(*decoder_, Seconds{});
}

}  // namespace hotmic::pocketsphinx
