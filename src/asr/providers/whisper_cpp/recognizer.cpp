#include "asr/providers/whisper_cpp/recognizer.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <format>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "asr/languages.hpp"
#include "asr/long_audio.hpp"
#include "asr/providers/whisper_cpp/text.hpp"
#include "asr/whisper/language_choice.hpp"
#include "asr/whisper/loudness.hpp"
#include "asr/whisper/request.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "text/utf8.hpp"

namespace hotmic::whisper_cpp {
namespace {

using whisper::kPromptTokens;

/// The engine's buffers grow with the audio it is given at once and never shrink; longer audio is cut at pauses.
constexpr std::size_t kLongest = 120 * kSampleRate;
/// Shorter audio is padded with silence: the engine drops what is left under 0.1 s of its own accord.
constexpr std::size_t kPadded = kSampleRate;
constexpr std::size_t kPromptBytes = 2000;
constexpr double kCentiseconds = 100.0;
constexpr const char* kNotNumbers = "the model produced numbers that are not finite";
constexpr const char* kCheckFile = "its weights are damaged: download the model again";

/// Steps of the decoder that so much audio may take: several times what the worst speech takes with every
/// fallback. A model of meaningless weights takes more: it never ends a sentence, or moves on by hundredths of a
/// second.
constexpr std::int64_t most_steps(Seconds audio) {
    return 1500 + static_cast<std::int64_t>(300 * audio.count());
}
/// What a pass of the encoder counts for.
constexpr std::int64_t kStepsOfAPass = 200;

/// Minus infinity is how the engine strikes tokens out.
bool are_numbers(std::span<const float> logits) {
    return std::ranges::none_of(logits, [](float value) { return std::isnan(value) || value == HUGE_VALF; });
}

std::unexpected<Error> cancelled() {
    return fail(ErrorCode::cancelled, "the request was cancelled");
}

}  // namespace

/// One request on its way through the engine.
struct WhisperRecognizer::Run {
    WhisperRecognizer& self;
    const TranscribeOptions& options;
    const SegmentSink& sink;
    std::stop_token stop;

    std::string language{};  // code the engine decodes in; empty: to be detected
    double language_probability = 0;
    Transcript transcript{};

    // Of the current window.
    Seconds offset{};
    Seconds length{};  // without padding
    whisper::Loudness loudness{AudioView{}};
    Seconds earliest{};  // that the next word may begin
    int taken = 0;       // segments of the window already collected
    CharacterJoiner joiner{};
    std::int64_t steps_left = 0;

    // The decoders' logits are looked at by a thread each.
    std::atomic<bool> broken = false;  // a number that is none came out of the model

    [[nodiscard]] bool must_end(std::int64_t steps) {
        steps_left -= steps;
        return broken || steps_left < 0 || stop.stop_requested();
    }

    void begin_window(Seconds at, AudioView window);
    void collect();
    void finish();
    Segment segment(int index);
    std::vector<Word> words(int index) const;
    /// Seconds from the beginning of the window.
    [[nodiscard]] Seconds clock(std::int64_t centiseconds) const {
        return std::clamp(Seconds(static_cast<double>(centiseconds) / kCentiseconds), Seconds{}, length);
    }
};

Result<StatePtr> make_state(whisper_context& context) {
    try {
        if (StatePtr state(whisper_init_state(&context)); state) return state;
    } catch (const std::exception& problem) {
        return fail(ErrorCode::insufficient_memory, std::format("the engine could not make a slot: {}", problem.what()),
                    "use fewer slots or a smaller model");
    }
    return fail(ErrorCode::insufficient_memory, "the engine could not make a slot",
                "use fewer slots or a smaller model");
}

Result<void> outcome_of(int code, bool stopped, StatePtr& state) {
    if (code == -7) {
        (void)state
            .release();  // the library has freed it (whisper_full_with_state, on running out of memory for its cache)
        return fail(ErrorCode::inference_failed, "the engine ran out of memory for its decoders",
                    "lower max_best_of, max_beam_size or slots");
    }
    if (stopped) return cancelled();
    if (code == 0) return {};
    return fail(ErrorCode::inference_failed, std::format("the engine failed on this audio (code {})", code),
                "send the request again");
}

WhisperRecognizer::WhisperRecognizer(whisper_context& context, StatePtr state, const ModelInfo& info,
                                     const ModelSpec& spec)
    : context_(context), state_(std::move(state)), info_(info), spec_(spec) {}

Result<Transcript> WhisperRecognizer::transcribe(AudioView audio, const TranscribeOptions& options,
                                                 const SegmentSink& sink, std::stop_token stop) {
    if (std::this_thread::get_id() != home_)
        return fail(ErrorCode::internal, "a recognizer was used from another thread than its own");
    if (auto fit = whisper::check_request(info_, spec_, kMaxDecoders, audio, options); !fit)
        return std::unexpected(std::move(fit).error());
    Run run{*this, options, sink, std::move(stop)};
    run.transcript.duration = seconds_of(audio.size());
    if (!info_.capabilities.language_detection)
        run.language = "en";
    else if (!whisper::asks_for_detection(options.language))
        run.language = *language_code(options.language);
    try {
        for (std::size_t done = 0; audio.size() - done >= whisper::kShortestAudio;) {
            if (run.stop.stop_requested()) return cancelled();
            const auto rest = audio.subspan(done);
            const auto length = rest.size() <= kLongest ? rest.size() : best_pause(rest.first(kLongest), kLongest / 2);
            if (auto ran = run_window(rest.first(length), seconds_of(done), run); !ran)
                return std::unexpected(std::move(ran).error());
            done += length;
        }
    } catch (const std::exception& problem) {
        state_.reset();  // left in the middle of something
        return fail(ErrorCode::inference_failed, std::format("the engine failed: {}", problem.what()),
                    "send the request again");
    }
    run.finish();
    return std::move(run.transcript);
}

Result<void> WhisperRecognizer::detect_language(AudioView audio, Run& run) {
    // In steps of our own: the engine's detection cannot be stopped, sorts what may be no numbers, and takes the token
    // after the last language of an older vocabulary for another language.
    const int threads = info_.threads;
    const auto start = whisper_token_sot(&context_);
    if (whisper_pcm_to_mel_with_state(&context_, state_.get(), audio.data(), static_cast<int>(audio.size()), threads) !=
            0 ||
        whisper_encode_with_state(&context_, state_.get(), 0, threads) != 0) {
        return fail(ErrorCode::inference_failed, "the engine could not detect the language", "give language",
                    "language");
    }
    if (run.stop.stop_requested()) return cancelled();
    if (whisper_decode_with_state(&context_, state_.get(), &start, 1, 0, threads) != 0) {
        return fail(ErrorCode::inference_failed, "the engine could not detect the language", "give language",
                    "language");
    }
    const auto count = static_cast<int>(info_.capabilities.languages.size());
    const std::span<const float> logits(whisper_get_logits_from_state(state_.get()) + whisper_token_lang(&context_, 0),
                                        static_cast<std::size_t>(count));
    if (!are_numbers(logits)) return fail(ErrorCode::inference_failed, kNotNumbers, kCheckFile);
    std::vector<whisper::LanguageLogit> known;
    for (int id = 0; const float logit : logits) known.push_back({whisper_lang_str(id++), logit});
    const auto choice = whisper::choose_language(known, seconds_of(audio.size()), run.options);
    run.language = choice.code;
    run.language_probability = choice.probability;
    return {};
}

Result<void> WhisperRecognizer::run_window(AudioView window, Seconds offset, Run& run) {
    if (!state_) {  // lost to an earlier request
        auto made = make_state(context_);
        if (!made) return fail(ErrorCode::inference_failed, made.error().message, made.error().remedy);
        state_ = *std::move(made);
    }
    std::vector<float> padded;
    AudioView audio = window;
    if (audio.size() < kPadded) {
        padded.assign(window.begin(), window.end());
        padded.resize(kPadded);
        audio = padded;
    }
    if (run.language.empty()) {
        if (auto detected = detect_language(audio, run); !detected) return detected;
    }
    run.begin_window(offset, window);
    const auto prompt = prompt_tokens(run.options.prompt);
    const auto params = parameters(run, prompt);
    const int code =
        whisper_full_with_state(&context_, state_.get(), params, audio.data(), static_cast<int>(audio.size()));
    auto ended = outcome_of(code, run.stop.stop_requested(), state_);
    if (run.broken) return fail(ErrorCode::inference_failed, kNotNumbers, kCheckFile);
    if (run.steps_left < 0) {
        return fail(ErrorCode::inference_failed, "the model does not come to an end on this audio",
                    "check that the model is a trained one");
    }
    if (!ended) return ended;
    run.collect();
    if (run.broken) return fail(ErrorCode::inference_failed, kNotNumbers, kCheckFile);
    return {};
}

std::vector<whisper_token> WhisperRecognizer::prompt_tokens(const std::string& prompt) {
    if (prompt.empty()) return {};
    const std::string end(end_of_prompt(prompt, kPromptBytes));
    std::vector<whisper_token> tokens(kPromptBytes);
    const int count = whisper_tokenize(&context_, end.c_str(), tokens.data(), static_cast<int>(tokens.size()));
    tokens.resize(static_cast<std::size_t>(std::max(0, count)));
    if (tokens.size() > kPromptTokens) tokens.erase(tokens.begin(), tokens.end() - kPromptTokens);
    return tokens;
}

/// Everything is set: the engine's defaults print to the terminal and differ between its versions.
whisper_full_params WhisperRecognizer::parameters(Run& run, std::span<const whisper_token> prompt) const {
    const auto& options = run.options;
    auto params =
        whisper_full_default_params(options.beam_size > 1 ? WHISPER_SAMPLING_BEAM_SEARCH : WHISPER_SAMPLING_GREEDY);
    params.n_threads = info_.threads;
    params.language = run.language.c_str();
    params.detect_language = false;
    params.translate = options.task == Task::translate;
    params.no_context = true;  // nothing of the previous request
    params.n_max_text_ctx = kPromptTokens;
    params.carry_initial_prompt = false;
    params.initial_prompt = nullptr;
    params.prompt_tokens = prompt.empty() ? nullptr : prompt.data();
    params.prompt_n_tokens = static_cast<int>(prompt.size());
    params.offset_ms = params.duration_ms = 0;
    params.audio_ctx = 0;  // another value would stay on the state
    params.no_timestamps = params.single_segment = false;
    params.token_timestamps = options.word_timestamps;
    params.max_len = params.max_tokens = 0;
    params.suppress_blank = true;
    params.suppress_nst = false;
    params.tdrz_enable = params.debug_mode = params.vad = false;
    params.print_special = params.print_progress = params.print_realtime = params.print_timestamps = false;
    params.temperature = static_cast<float>(options.temperature);
    params.temperature_inc = options.temperature_fallback && !options.provisional ? 0.2F : 0.0F;
    params.entropy_thold = 2.4F;
    params.logprob_thold = -1.0F;
    params.no_speech_thold = 0.6F;
    params.greedy.best_of = options.best_of > 0 ? options.best_of : std::clamp(spec_.max_best_of, 1, kMaxDecoders);
    params.beam_search.beam_size = std::max(1, options.beam_size);

    params.new_segment_callback = [](whisper_context*, whisper_state*, int, void* data) {
        static_cast<Run*>(data)->collect();
    };
    params.encoder_begin_callback = [](whisper_context*, whisper_state*, void* data) {
        return !static_cast<Run*>(data)->must_end(kStepsOfAPass);
    };
    params.abort_callback = [](void* data) { return static_cast<Run*>(data)->must_end(1); };
    params.logits_filter_callback = [](whisper_context* context, whisper_state*, const whisper_token_data*, int,
                                       float* logits, void* data) {
        const std::span all(logits, static_cast<std::size_t>(whisper_model_n_vocab(context)));
        if (are_numbers(all)) return;
        static_cast<Run*>(data)->broken = true;
        // What the engine goes on with must be numbers: it sorts them and draws lots by them before it asks whether to
        // stop.
        std::ranges::fill(all, -HUGE_VALF);
        all[static_cast<std::size_t>(whisper_token_eot(context))] = 0;
    };
    params.new_segment_callback_user_data = params.encoder_begin_callback_user_data = params.abort_callback_user_data =
        params.logits_filter_callback_user_data = &run;
    return params;
}

void WhisperRecognizer::Run::begin_window(Seconds at, AudioView window) {
    offset = at;
    length = seconds_of(window.size());
    loudness = whisper::Loudness(window);
    earliest = {};
    taken = 0;
    steps_left = most_steps(length);
}

void WhisperRecognizer::Run::collect() {
    const int count = whisper_full_n_segments_from_state(self.state_.get());
    for (; taken < count; ++taken) {
        auto made = segment(taken);
        if (!std::isfinite(made.avg_logprob) || !std::isfinite(made.no_speech_prob)) broken = true;
        if (broken) return;
        transcript.text += made.text;
        if (sink) sink(made);
        transcript.segments.push_back(std::move(made));
    }
}

void WhisperRecognizer::Run::finish() {
    auto& text = transcript.text;
    if (const auto rest = joiner.finish(); !rest.empty()) {
        text += rest;
        transcript.segments.back().text += rest;
    }
    // Spaces around the whole are the engine's spelling, not the speaker's.
    text.erase(0, text.find_first_not_of(' '));
    text.erase(text.find_last_not_of(' ') + 1);
    transcript.language = language;
    transcript.language_probability = language_probability;
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
    if (options.word_timestamps) {
        made.words = words(index);
        earliest = whisper::settle_words(made.words, loudness, earliest, length);
    }
    whisper::settle_segment(made, loudness);
    made.start += offset;
    made.end += offset;
    for (auto& word : made.words) {
        word.start += offset;
        word.end += offset;
    }
    return made;
}

std::vector<Word> WhisperRecognizer::Run::words(int index) const {
    auto* const state = self.state_.get();
    const auto end_of_text = whisper_token_eot(&self.context_);
    const bool every_token = !has_spaces(language);
    std::vector<Word> found;
    int tokens = 0;  // of the last word
    CharacterJoiner characters;
    for (int i = 0; i < whisper_full_n_tokens_from_state(state, index); ++i) {
        const auto token = whisper_full_get_token_data_from_state(state, index, i);
        if (token.id >= end_of_text) continue;  // timestamps and other special tokens
        const std::string_view piece = whisper_full_get_token_text_from_state(&self.context_, state, index, i);
        const bool begins = piece.starts_with(' ') || (every_token && !characters.within_character());
        if (found.empty() || begins) {
            found.push_back({.text = {}, .start = clock(token.t0), .end = clock(token.t1), .probability = 0});
            tokens = 0;
        }
        auto& word = found.back();
        word.text += characters.take(piece);
        word.end = std::max(word.end, clock(token.t1));
        word.probability += (token.p - word.probability) / ++tokens;
    }
    if (!found.empty()) found.back().text += characters.finish();
    for (auto& word : found) {
        word.text.erase(0, word.text.find_first_not_of(' '));
        word.text.erase(word.text.find_last_not_of(' ') + 1);
    }
    std::erase_if(found, [](const Word& word) { return word.text.empty(); });
    return found;
}

}  // namespace hotmic::whisper_cpp
