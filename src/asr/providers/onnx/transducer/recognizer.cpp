#include "asr/providers/onnx/transducer/recognizer.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "asr/languages.hpp"
#include "asr/limits.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/engine.hpp"
#include "asr/providers/onnx/transducer/hotword_graph.hpp"
#include "asr/providers/onnx/transducer/search.hpp"
#include "asr/providers/onnx/transducer/stream.hpp"
#include "asr/providers/onnx/transducer/words.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {
namespace {

constexpr int kPathsWithHotwords = 4;
/// Less than this holds no speech.
constexpr std::size_t kShortest = kSampleRate / 10;
/// So much is heard before what is certain is told.
constexpr std::size_t kMouthful = std::size_t{5} * kSampleRate;

void note_unwritable(const TransducerStream& stream, Transcript& transcript) {
    if (stream.search.hotwords && stream.search.hotwords->unwritable() > 0)
        transcript.counters["hotwords_unwritable"] = stream.search.hotwords->unwritable();
}

}  // namespace

TransducerRecognizer::TransducerRecognizer(std::shared_ptr<TransducerEngine> engine)
    : engine_(std::move(engine)), stepper_(engine_->folder, engine_->encoder, engine_->batches, *engine_->predictor) {}

Result<void> TransducerRecognizer::check(AudioView audio, const TranscribeOptions& options) const {
    const auto& known = engine_->info.capabilities.languages;
    const auto speaks = [&](const std::string& language, const std::string& field) -> Result<void> {
        const auto code = language_code(language);
        if (code && (known.empty() || std::ranges::contains(known, *code))) return {};
        std::string all;
        for (const auto& each : known) all += (all.empty() ? "" : ", ") + each;
        return fail(ErrorCode::unsupported_language,
                    code ? std::format("{} knows {}, not \"{}\"", engine_->info.name, all, language)
                         : std::format("\"{}\" is no language this engine knows", language),
                    "leave the language out, or use a multilingual model", field);
    };
    if (!options.language.empty() && options.language != "auto") {
        if (auto fine = speaks(options.language, "language"); !fine) return fine;
    }
    for (const auto& language : options.languages) {
        if (auto fine = speaks(language, "languages"); !fine) return fine;
    }
    if (options.task == Task::translate) {
        return fail(ErrorCode::unsupported_parameter, std::format("{} does not translate", engine_->info.name),
                    "use a multilingual whisper model", "task");
    }
    const int most = engine_->spec.max_beam_size;
    if (options.beam_size < 0 || options.beam_size > std::max(most, 1)) {
        return fail(ErrorCode::unsupported_parameter,
                    std::format("beam_size = {} is over this model's limit of {}", options.beam_size, most),
                    "raise max_beam_size in the configuration", "beam_size");
    }
    return check_samples(audio);
}

/// Hot words need others beside the likeliest path.
int TransducerRecognizer::paths_for(const TranscribeOptions& options) const {
    const int asked = std::max(options.beam_size, 1);
    return options.hotwords.empty() ? asked : std::max(asked, kPathsWithHotwords);
}

TransducerStream TransducerRecognizer::begin_stream(const TranscribeOptions& options, const CancellableRun& run) {
    auto stream = stepper_.begin(run);
    if (!options.hotwords.empty())
        stream.search.hotwords = std::make_shared<HotwordGraph>(options.hotwords, engine_->folder.pieces);
    return stream;
}

Transcript TransducerRecognizer::begin_transcript(const TranscribeOptions& options, std::size_t samples) const {
    Transcript transcript{.text = {}, .language = {}, .duration = seconds_of(samples), .segments = {}};
    const auto& known = engine_->info.capabilities.languages;
    if (const auto asked = language_code(options.language))
        transcript.language = *asked;
    else if (!known.empty())
        transcript.language = known.front();
    return transcript;
}

std::vector<Word> TransducerRecognizer::words_in(std::span<const EmittedPiece> pieces, Seconds length) const {
    return words_of(pieces, engine_->folder.pieces, stepper_.frame_length(), length);
}

Transcript TransducerRecognizer::hear(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                      const CancellableRun& run) {
    const int paths = paths_for(options);
    auto transcript = begin_transcript(options, audio.size());
    if (audio.size() < kShortest) return transcript;
    std::size_t told = 0;
    const auto tell = [&](std::span<const Segment> segments) {
        for (; told < segments.size(); ++told)
            if (sink) sink(segments[told]);
    };
    auto stream = begin_stream(options, run);
    while (stream.samples < audio.size() && !run.stopped()) {
        stepper_.feed(stream, audio.subspan(stream.samples, std::min(kMouthful, audio.size() - stream.samples)), paths,
                      run);
        // More words may still come to the last segment.
        const auto segments =
            segments_of(words_in(stream.search.agreed(), transcript.duration), options.word_timestamps);
        if (!segments.empty()) tell(std::span(segments).first(segments.size() - 1));
    }
    if (run.stopped()) return transcript;
    stepper_.finish(stream, paths, run);
    note_unwritable(stream, transcript);
    auto words = words_in(stream.search.best(engine_->predictor->context()).pieces, transcript.duration);
    transcript.text = text_of(words);
    transcript.segments = segments_of(std::move(words), options.word_timestamps);
    tell(transcript.segments);
    return transcript;
}

Result<Transcript> TransducerRecognizer::hear_step(AudioView audio, const TranscribeOptions& options,
                                                   const CancellableRun& run) {
    const auto& step = options.step;
    const int paths = paths_for(options);
    auto kept = engine_->kept.take(step.stream, step.from);
    if (step.from == Samples::zero())
        kept = KeptStreams::Kept{.number = step.stream, .most_paths = paths, .stream = begin_stream(options, run)};
    if (!kept || kept->most_paths != paths) {
        return fail(ErrorCode::stream_lost,
                    std::format("there is no stream that has heard {} samples", step.from.count()),
                    "feed the stream from its beginning");
    }
    auto& stream = kept->stream;
    stepper_.feed(stream, audio, paths, run);
    const auto context = engine_->predictor->context();
    auto transcript = begin_transcript(options, stream.samples);
    transcript.next_step_at = Samples(stepper_.next_step_at(stream));
    if (step.last) stepper_.finish(stream, paths, run);
    transcript.trailing_blank = stepper_.trailing_blank(stream, context);
    note_unwritable(stream, transcript);
    auto words = words_in(stream.search.best(context).pieces, transcript.duration);
    transcript.text = text_of(words);
    transcript.settled_words = words.size();
    if (!step.last) {
        // Of what paths agree on the last word may be another one's beginning.
        if (paths > 1)
            transcript.settled_words =
                std::max<std::size_t>(1, words_in(stream.search.agreed(), transcript.duration).size()) - 1;
        else if (!words.empty() && !is_whole(words.back()))
            --transcript.settled_words;
    }
    transcript.segments = segments_of(std::move(words), options.word_timestamps);
    if (!step.last && !run.stopped()) engine_->kept.keep(*std::move(kept));
    return transcript;
}

Result<Transcript> TransducerRecognizer::transcribe(AudioView audio, const TranscribeOptions& options,
                                                    const SegmentSink& sink, std::stop_token stop) {
    if (auto fine = check(audio, options); !fine) return std::unexpected(std::move(fine).error());
    const auto stopping = stop;
    auto done = guarded(ErrorCode::inference_failed, "the engine failed", [&]() -> Result<Transcript> {
        const CancellableRun run(std::move(stop));
        if (options.step.stream != 0) return hear_step(audio, options, run);
        return hear(audio, options, sink, run);
    });
    if (stopping.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
    return done;
}

}  // namespace hotmic::onnx
