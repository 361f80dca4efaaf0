#include "asr/providers/whisper_cpp/recognizer.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <format>
#include <optional>
#include <utility>

#include "asr/languages.hpp"
#include "asr/long_audio.hpp"
#include "asr/providers/whisper_cpp/text.hpp"

namespace hotmic::whisper_cpp {
namespace {

/// The engine's buffers grow with the audio it is given at once and never shrink; longer audio is cut at pauses.
constexpr std::size_t kLongest = 120 * kSampleRate;
/// Below this the engine answers nothing at all; shorter audio is padded with silence.
constexpr std::size_t kShortest = kSampleRate;
/// Most decoders the engine can run at once (WHISPER_MAX_DECODERS).
constexpr int kMaxDecoders = 8;
constexpr double kCentiseconds = 100.0;

bool asks_for_detection(const std::string& language) { return language.empty() || language == "auto"; }

bool logits_are_finite(const float* logits, int count) {
    return std::all_of(logits, logits + count, [](float value) { return !std::isnan(value); });
}

}  // namespace

/// One request on its way through the engine.
struct WhisperRecognizer::Run {
    WhisperRecognizer& self;
    const TranscribeOptions& options;
    const SegmentSink& sink;
    std::stop_token stop;

    std::string language;  // code the engine decodes in
    double language_probability = 0;
    Transcript transcript{};

    // Of the current window.
    double offset = 0;   // seconds
    double length = 0;   // seconds, without padding
    int taken = 0;       // segments of the window already collected
    bool broken = false; // a number that is none came out of the model
    CharacterJoiner joiner{};

    void collect();
    Segment segment(int index);
    std::vector<Word> words(int index) const;
    [[nodiscard]] double clock(std::int64_t centiseconds) const {
        return offset + std::clamp(static_cast<double>(centiseconds) / kCentiseconds, 0.0, length);
    }
};

Result<StatePtr> make_state(whisper_context& context) {
    try {
        if (StatePtr state(whisper_init_state(&context)); state) return state;
    } catch (const std::exception& problem) {
        return fail(ErrorCode::insufficient_memory, std::format("the engine could not make a slot: {}", problem.what()),
                    "use fewer slots or a smaller model");
    }
    return fail(ErrorCode::insufficient_memory, "the engine could not make a slot", "use fewer slots or a smaller model");
}

Result<void> outcome_of(int code, bool stopped, StatePtr& state) {
    if (code == -7) {
        (void)state.release();  // the library has freed it (whisper_full_with_state, on running out of memory for its cache)
        return fail(ErrorCode::insufficient_memory, "the engine ran out of memory for its decoders",
                    "lower max_best_of, max_beam_size or slots");
    }
    if (stopped) return fail(ErrorCode::cancelled, "the request was cancelled");
    if (code == 0) return {};
    if (code == -3) return fail(ErrorCode::inference_failed, "the engine could not detect the language", "give language");
    return fail(ErrorCode::inference_failed, std::format("the engine failed on this audio (code {})", code), "send the request again");
}

WhisperRecognizer::WhisperRecognizer(whisper_context& context, StatePtr state, const ModelInfo& info, const ModelSpec& spec)
    : context_(context), state_(std::move(state)), info_(info), spec_(spec) {}

Result<std::unique_ptr<Stream>> WhisperRecognizer::open_stream(const TranscribeOptions&) {
    return fail(ErrorCode::unsupported_parameter, "whisper_cpp has no streaming recognizer", "send whole recordings, or use pocketsphinx");
}

Result<void> WhisperRecognizer::check(AudioView audio, const TranscribeOptions& options) const {
    if (std::this_thread::get_id() != home_) {
        return fail(ErrorCode::internal, "a recognizer was used from another thread than its own");
    }
    const bool multilingual = whisper_is_multilingual(&context_) != 0;
    if (!asks_for_detection(options.language)) {
        const auto code = language_code(options.language);
        if (!code || !std::ranges::contains(info_.capabilities.languages, *code)) {
            return fail(ErrorCode::unsupported_language,
                        code ? std::format("{} is an English-only model and does not know \"{}\"", info_.name, options.language)
                             : std::format("\"{}\" is no language this engine knows", options.language),
                        code ? "use a multilingual model, or language=en" : "give an ISO 639-1 code such as en, or leave it out to detect it",
                        "language");
        }
    }
    if (options.task == Task::translate && !multilingual) {
        return fail(ErrorCode::unsupported_parameter, std::format("{} is an English-only model and does not translate", info_.name),
                    "use a multilingual model", "task");
    }
    const auto within = [](int value, int maximum) { return value >= 0 && value <= std::min(maximum, kMaxDecoders); };
    if (!within(options.best_of, spec_.max_best_of) || !within(options.beam_size, spec_.max_beam_size)) {
        return fail(ErrorCode::unsupported_parameter,
                    std::format("best_of {} and beam_size {} are over this model's limits of {} and {}", options.best_of, options.beam_size,
                                spec_.max_best_of, spec_.max_beam_size),
                    "raise max_best_of or max_beam_size in the configuration", "best_of");
    }
    const auto bad = std::ranges::find_if_not(audio, [](float sample) { return std::isfinite(sample); });
    if (bad != audio.end()) {
        return fail(ErrorCode::audio_invalid_samples, std::format("sample {} of the audio is not a finite number", bad - audio.begin()),
                    "send samples between -1 and 1");
    }
    return {};
}

Result<Transcript> WhisperRecognizer::transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                                 std::stop_token stop) {
    if (auto fit = check(audio, options); !fit) return std::unexpected(std::move(fit).error());
    if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");

    Run run{.self = *this, .options = options, .sink = sink, .stop = std::move(stop), .language = {}};
    run.transcript.duration = seconds_of(audio.size());
    for (std::size_t done = 0; done < audio.size();) {
        const auto rest = audio.subspan(done);
        const auto length = rest.size() <= kLongest ? rest.size() : best_pause(rest.first(kLongest), kLongest / 2);
        if (auto ran = run_window(rest.first(length), seconds_of(done), options, run); !ran) return std::unexpected(std::move(ran).error());
        done += length;
    }
    run.transcript.language = run.language.empty() && !info_.capabilities.language_detection ? "en" : run.language;
    run.transcript.language_probability = run.language_probability;
    return std::move(run.transcript);
}

Result<void> WhisperRecognizer::settle_language(AudioView audio, const TranscribeOptions& options, Run& run) {
    if (!run.language.empty()) return {};
    if (whisper_is_multilingual(&context_) == 0) {
        run.language = "en";
    } else if (!asks_for_detection(options.language)) {
        run.language = *language_code(options.language);
    } else {
        // Done here and not by the engine as part of its run, for only so the probability can be had.
        std::vector<float> probabilities(static_cast<std::size_t>(whisper_lang_max_id()) + 1);
        const auto size = static_cast<int>(audio.size());
        if (whisper_pcm_to_mel_with_state(&context_, state_.get(), audio.data(), size, info_.threads) != 0) return outcome_of(-2, run.stop.stop_requested(), state_);
        const int id = whisper_lang_auto_detect_with_state(&context_, state_.get(), 0, info_.threads, probabilities.data());
        if (id < 0) return outcome_of(-3, run.stop.stop_requested(), state_);
        run.language = whisper_lang_str(id);
        run.language_probability = probabilities[static_cast<std::size_t>(id)];
        if (!std::isfinite(run.language_probability)) {
            return fail(ErrorCode::inference_failed, "the model produced numbers that are not finite", "check the model file");
        }
    }
    return {};
}

Result<void> WhisperRecognizer::run_window(AudioView window, double offset, const TranscribeOptions& options, Run& run) {
    if (!state_) {  // lost to the last request
        auto made = make_state(context_);
        if (!made) return std::unexpected(std::move(made).error());
        state_ = *std::move(made);
    }
    std::vector<float> padded;
    AudioView audio = window;
    if (audio.size() < kShortest) {
        padded.assign(window.begin(), window.end());
        padded.resize(kShortest);
        audio = padded;
    }
    if (auto settled = settle_language(audio, options, run); !settled) return settled;

    run.offset = offset;
    run.length = seconds_of(window.size());
    run.taken = 0;

    auto params = whisper_full_default_params(options.beam_size > 1 ? WHISPER_SAMPLING_BEAM_SEARCH : WHISPER_SAMPLING_GREEDY);
    params.n_threads = info_.threads;
    params.no_context = true;  // nothing of the previous request
    params.translate = options.task == Task::translate;
    params.language = run.language.c_str();
    params.detect_language = false;
    params.initial_prompt = options.prompt.empty() ? nullptr : options.prompt.c_str();
    params.token_timestamps = options.word_timestamps;
    params.audio_ctx = 0;  // stays on the state otherwise
    params.print_special = params.print_progress = params.print_realtime = params.print_timestamps = false;
    params.vad = false;
    params.temperature = static_cast<float>(options.temperature);
    if (!options.temperature_fallback) params.temperature_inc = 0;
    params.greedy.best_of = options.best_of > 0 ? options.best_of : std::clamp(spec_.max_best_of, 1, kMaxDecoders);
    params.beam_search.beam_size = std::max(1, options.beam_size);

    params.new_segment_callback = [](whisper_context*, whisper_state*, int, void* data) { static_cast<Run*>(data)->collect(); };
    params.new_segment_callback_user_data = &run;
    params.encoder_begin_callback = [](whisper_context*, whisper_state*, void* data) { return !static_cast<Run*>(data)->stop.stop_requested(); };
    params.encoder_begin_callback_user_data = &run;
    params.abort_callback = [](void* data) {
        const auto& current = *static_cast<Run*>(data);
        return current.broken || current.stop.stop_requested();
    };
    params.abort_callback_user_data = &run;
    params.logits_filter_callback = [](whisper_context* context, whisper_state*, const whisper_token_data*, int, float* logits, void* data) {
        auto& current = *static_cast<Run*>(data);
        // A model of random bytes would be decoded for a minute; its first step tells.
        if (!logits_are_finite(logits, whisper_model_n_vocab(context))) current.broken = true;
    };
    params.logits_filter_callback_user_data = &run;

    int code = 0;
    try {
        code = whisper_full_with_state(&context_, state_.get(), params, audio.data(), static_cast<int>(audio.size()));
    } catch (const std::exception& problem) {
        return fail(ErrorCode::inference_failed, std::format("the engine failed: {}", problem.what()), "send the request again");
    }
    if (run.broken) {
        if (code == -7) (void)state_.release();
        return fail(ErrorCode::inference_failed, "the model produced numbers that are not finite", "check the model file (hotmic inspect)");
    }
    if (auto ended = outcome_of(code, run.stop.stop_requested(), state_); !ended) return ended;
    run.collect();
    if (run.broken) return fail(ErrorCode::inference_failed, "the model produced numbers that are not finite", "check the model file (hotmic inspect)");
    return {};
}

void WhisperRecognizer::Run::collect() {
    const int count = whisper_full_n_segments_from_state(self.state_.get());
    for (; taken < count; ++taken) {
        auto made = segment(taken);
        if (!std::isfinite(made.avg_logprob) || !std::isfinite(made.no_speech_prob)) broken = true;
        transcript.text += made.text;
        if (sink) sink(made);
        transcript.segments.push_back(std::move(made));
    }
    // Spaces around the whole are the engine's spelling, not the speaker's.
    if (const auto first = transcript.text.find_first_not_of(' '); first != 0) transcript.text.erase(0, first);
}

Segment WhisperRecognizer::Run::segment(int index) {
    auto* const state = self.state_.get();
    Segment made{.start = clock(whisper_full_get_segment_t0_from_state(state, index)),
                 .end = clock(whisper_full_get_segment_t1_from_state(state, index)),
                 .text = joiner.take(whisper_full_get_segment_text_from_state(state, index)),
                 .temperature = options.temperature,
                 .no_speech_prob = whisper_full_get_segment_no_speech_prob_from_state(state, index)};
    const int count = whisper_full_n_tokens_from_state(state, index);
    double sum = 0;
    for (int i = 0; i < count; ++i) {
        const auto token = whisper_full_get_token_data_from_state(state, index, i);
        made.tokens.push_back(token.id);
        sum += token.plog;
    }
    made.avg_logprob = count > 0 ? sum / count : 0;
    if (options.word_timestamps) made.words = words(index);
    return made;
}

std::vector<Word> WhisperRecognizer::Run::words(int index) const {
    auto* const state = self.state_.get();
    const auto end_of_text = whisper_token_eot(&self.context_);
    std::vector<Word> found;
    std::vector<int> tokens_in;
    CharacterJoiner characters;
    for (int i = 0; i < whisper_full_n_tokens_from_state(state, index); ++i) {
        const auto token = whisper_full_get_token_data_from_state(state, index, i);
        if (token.id >= end_of_text) continue;  // timestamps and other special tokens
        const std::string piece = whisper_full_get_token_text_from_state(&self.context_, state, index, i);
        const double start = clock(token.t0);
        const double end = clock(token.t1);
        if (found.empty() || piece.starts_with(' ')) {  // a leading space begins a word
            found.push_back({.text = {}, .start = start, .end = end, .probability = 0});
            tokens_in.push_back(0);
        }
        auto& word = found.back();
        const auto whole = characters.take(piece);
        word.text += word.text.empty() && whole.starts_with(' ') ? whole.substr(1) : whole;
        word.end = std::max(word.end, end);
        word.probability += (token.p - word.probability) / ++tokens_in.back();
    }
    std::erase_if(found, [](const Word& word) { return word.text.empty(); });
    return found;
}

}  // namespace hotmic::whisper_cpp
