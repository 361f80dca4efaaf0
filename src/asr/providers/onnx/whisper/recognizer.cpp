#include "asr/providers/onnx/whisper/recognizer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <format>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "asr/languages.hpp"
#include "asr/long_audio.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/whisper/alignment.hpp"
#include "asr/providers/onnx/whisper/engine.hpp"
#include "asr/providers/onnx/whisper/gates.hpp"
#include "asr/providers/onnx/whisper/rules.hpp"
#include "asr/providers/onnx/whisper/search.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "asr/whisper/language_choice.hpp"
#include "asr/whisper/loudness.hpp"
#include "asr/whisper/request.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "text/trimmed.hpp"
#include "text/utf8.hpp"

namespace hotmic::onnx {
namespace {

/// Longest stretch of audio that is decoded as one window, and where the search for a pause in it begins.
constexpr auto kLongestWindow = static_cast<std::size_t>(kFullWindow * kSampleRate);
constexpr std::size_t kEarliestCut = kLongestWindow / 2;

constexpr double kTemperatureStep = 0.2;
/// Above this, and with a mean log probability below the gate's, nothing was said (openai/whisper,
/// no_speech_threshold).
constexpr double kNoSpeech = 0.6;
constexpr double kLeastLogprob = -1.0;

/// Tokens that so many seconds of speech can have, timestamps included: fast speech has 6 a second in English and 12
/// in languages written with more tokens.
int most_tokens(double seconds) {
    return std::min(224, 24 + static_cast<int>(14 * seconds));
}
/// What may follow the draft of a provisional answer, which is little older than the audio.
constexpr int kMostBeyondDraft = 24;
/// Tokens that all attempts at one window may take together, those sampled beside each other included.
int token_budget(double seconds) {
    return 4 * most_tokens(seconds);
}

}  // namespace

/// One request on its way through the engine.
struct WhisperRecognizer::Request {
    const TranscribeOptions& options;
    const SegmentSink& sink;
    CancellableRun run;
    std::string language{};  // code; empty: to be detected
    double language_probability = 0;
    std::vector<Token> prompt{};
    std::span<const Token> draft{};
    Transcript transcript{};
    CharacterJoiner joiner{};
    int tokens_left = 0;        // of the current window
    double window_seconds = 0;  // its length as it was encoded

    Request(const TranscribeOptions& asked, const SegmentSink& receiver, std::stop_token stop)
        : options(asked), sink(receiver), run(std::move(stop)) {}
    void count(const std::string& event) { ++transcript.counters[event]; }
};

WhisperRecognizer::WhisperRecognizer(std::shared_ptr<const Engine> engine)
    : engine_(std::move(engine)),
      mel_(engine_->mel_filters),
      audio_(engine_->decoder.dimensions()),
      state_(engine_->decoder) {}

Result<Transcript> WhisperRecognizer::transcribe(AudioView audio, const TranscribeOptions& options,
                                                 const SegmentSink& sink, std::stop_token stop) {
    constexpr int kMostRows = 8;
    if (auto fit = whisper::check_request(engine_->info, engine_->spec, kMostRows, audio, options); !fit)
        return std::unexpected(std::move(fit).error());
    const auto cancelled = [] { return fail(ErrorCode::cancelled, "the request was cancelled"); };
    const auto stopping = stop;
    auto done = guarded(ErrorCode::inference_failed, "the engine failed", [&]() -> Result<Transcript> {
        Request request(options, sink, std::move(stop));
        random_.seed();
        request.transcript.duration = seconds_of(audio.size());
        if (!engine_->vocabulary.multilingual())
            request.language = "en";
        else if (!whisper::asks_for_detection(options.language))
            request.language = *language_code(options.language);
        if (!options.prompt.empty()) {
            request.prompt = engine_->vocabulary.encode(" " + std::string(trimmed(valid_utf8(options.prompt), " ")));
            constexpr std::size_t kMost = whisper::kPromptTokens - 1;
            if (request.prompt.size() > kMost)
                request.prompt.erase(request.prompt.begin(), request.prompt.end() - kMost);
        }
        const auto known = [&](Token token) { return token >= 0 && token < engine_->decoder.dimensions().vocabulary; };
        if (std::ranges::all_of(options.draft, known)) request.draft = options.draft;
        for (std::size_t at = 0; audio.size() - at >= whisper::kShortestAudio;) {
            if (request.run.stopped()) return cancelled();
            const auto rest = audio.subspan(at);
            const auto length =
                rest.size() <= kLongestWindow ? rest.size() : best_pause(rest.first(kLongestWindow), kEarliestCut);
            recognize_window(rest.first(length), seconds_of(at), request);
            at += length;
            request.draft = {};
        }
        auto& transcript = request.transcript;
        if (const auto rest = request.joiner.finish(); !rest.empty() && !transcript.segments.empty()) {
            transcript.text += rest;
            transcript.segments.back().text += rest;
        }
        transcript.text = std::string(trimmed(transcript.text, " "));
        transcript.language = request.language;
        transcript.language_probability = request.language_probability;
        return std::move(transcript);
    });
    if (!done && stopping.stop_requested()) return cancelled();
    return done;
}

void WhisperRecognizer::recognize_window(AudioView window, Seconds offset, Request& request) {
    const double seconds = seconds_of(window.size()).count();
    request.tokens_left = token_budget(seconds);
    const bool tried = request.language == "en";
    const double length =
        window_for(seconds, tried ? engine_->window_floor : std::max(kUntriedFloor, engine_->window_floor),
                   request.options.provisional ? kSilenceBehindProvisional : kSilenceBehind);
    encode(window, length, request);
    if (request.language.empty()) detect_language(seconds_of(window.size()), request);
    const auto answer = credible_answer(window, length, request);
    if (answer.no_speech_prob > kNoSpeech && answer.hypothesis.avg_logprob() < kLeastLogprob) {
        request.count("no_speech");
        return;
    }
    add_segments(answer, window, offset, request);
}

void WhisperRecognizer::encode(AudioView window, double seconds, Request& request) {
    auto features = mel_.features(window, static_cast<std::size_t>(seconds * 100));
    engine_->encoder.encode(features, audio_, request.run);
    request.window_seconds = seconds;
    request.count(std::format("window_{}s", static_cast<int>(seconds)));
}

void WhisperRecognizer::detect_language(Seconds length, Request& request) {
    const auto& special = engine_->vocabulary.special();
    state_.begin(audio_);
    const auto logits = state_.feed(std::array{special.start}, std::array<std::int64_t, 1>{0}, request.run)[0];
    std::vector<whisper::LanguageLogit> known;
    known.reserve(special.languages.size());
    for (const auto& [code, token] : special.languages)
        known.push_back({code, logits[static_cast<std::size_t>(token)]});
    const auto choice = whisper::choose_language(known, length, request.options);
    request.language = choice.code;
    request.language_probability = choice.probability;
}

std::vector<Token> WhisperRecognizer::steering(const Request& request, bool with_prompt) const {
    const auto& special = engine_->vocabulary.special();
    std::vector<Token> tokens;
    if (with_prompt && !request.prompt.empty()) {
        tokens.push_back(special.previous);
        tokens.append_range(request.prompt);
    }
    tokens.push_back(special.start);
    if (engine_->vocabulary.multilingual()) {
        if (const auto language = engine_->vocabulary.language_token(request.language)) tokens.push_back(*language);
        tokens.push_back(request.options.task == Task::translate ? special.translate : special.transcribe);
    }
    return tokens;
}

WhisperRecognizer::Answer WhisperRecognizer::decode(double temperature, bool with_prompt, double seconds, Window window,
                                                    Request& request) {
    const auto& special = engine_->vocabulary.special();
    const auto tokens = steering(request, with_prompt);
    const auto start = static_cast<std::int64_t>(std::ranges::find(tokens, special.start) - tokens.begin());
    const auto last = static_cast<std::int64_t>(tokens.size()) - 1;
    state_.begin(audio_);
    const auto logits = state_.feed(tokens, std::array{start, last}, request.run);
    Answer answer;
    answer.no_speech_prob =
        std::exp(static_cast<double>(logits[0][static_cast<std::size_t>(special.no_speech)]) - log_sum_exp(logits[0]));
    const auto& spec = engine_->spec;
    auto most = most_tokens(seconds);
    if (request.options.provisional && !request.draft.empty())
        most = std::min(most, static_cast<int>(request.draft.size()) + kMostBeyondDraft);
    const SearchOptions options{
        .temperature = temperature,
        .candidates = request.options.best_of > 0 ? request.options.best_of : std::max(1, spec.max_best_of),
        .beam = std::max(1, request.options.beam_size),
        .most_tokens =
            std::min(most, engine_->decoder.dimensions().text_positions - static_cast<int>(tokens.size()) - 1),
        .seconds = request.window_seconds,
        .audio_events = request.options.tag_audio_events,
        .draft = request.draft};
    const std::vector<float> first(logits[1].begin(), logits[1].end());
    answer.hypothesis = Search(state_, engine_->rules, special.end_of_text, random_).run(first, options, request.run);
    if (answer.hypothesis.drafted > 0) request.transcript.counters["draft_tokens"] += answer.hypothesis.drafted;
    answer.doubt = doubt_of(answer.hypothesis, engine_->vocabulary, window);
    request.tokens_left -= state_.rows() * (static_cast<int>(answer.hypothesis.tokens.size()) + 1);
    return answer;
}

/// Decodes until an answer is credible: as asked for; in the full window; without the prompt, where it was only
/// repeated; then at higher temperatures. The likeliest of those that are not, when all has been tried.
WhisperRecognizer::Answer WhisperRecognizer::credible_answer(AudioView window, double length, Request& request) {
    const double seconds = seconds_of(window.size()).count();
    const double temperature = request.options.temperature;
    auto shape = length < kFullWindow ? Window::shortened : Window::full;
    auto answer = decode(temperature, true, seconds, shape, request);
    const auto no_speech = [](const Answer& each) {
        return each.no_speech_prob > kNoSpeech && each.hypothesis.avg_logprob() < kLeastLogprob;
    };
    if (!request.prompt.empty()) {
        std::vector<Token> said;
        for (const Token token : answer.hypothesis.tokens)
            if (engine_->vocabulary.is_text(token)) said.push_back(token);
        constexpr std::size_t kShortestEcho = 3;
        if (said.size() >= kShortestEcho && !std::ranges::search(request.prompt, said).empty()) {
            request.count("rerun_prompt_echo");
            answer = decode(temperature, false, seconds, shape, request);
        }
    }
    if (answer.doubt == Doubt::none || no_speech(answer)) return answer;
    if (request.options.provisional) {
        request.count(std::format("left_{}", to_string(answer.doubt)));
        return {};
    }
    if (shape == Window::shortened) {
        request.count(std::format("rerun_{}", to_string(answer.doubt)));
        encode(window, kFullWindow, request);
        shape = Window::full;
        answer = decode(temperature, true, seconds, shape, request);
    }
    if (!request.options.temperature_fallback) return answer;
    if (answer.doubt == Doubt::none || no_speech(answer)) return answer;
    auto best = answer;
    for (double hotter = temperature + kTemperatureStep; hotter <= 1.0 + 1e-6; hotter += kTemperatureStep) {
        if (request.tokens_left <= 0) break;
        request.count("fallback");
        answer = decode(hotter, true, seconds, shape, request);
        const auto rank = [](const Answer& each) {
            return std::pair(each.doubt == Doubt::low_probability, each.hypothesis.avg_logprob());
        };
        if (answer.doubt == Doubt::none || no_speech(answer)) return answer;
        if (rank(answer) > rank(best)) best = answer;
    }
    if (best.doubt != Doubt::none && best.doubt != Doubt::low_probability) {
        request.count("loop_cut");
        cut_loop(best.hypothesis);
    }
    return best;
}

void WhisperRecognizer::add_segments(const Answer& answer, AudioView window, Seconds offset, Request& request) {
    const auto& vocabulary = engine_->vocabulary;
    const auto& hypothesis = answer.hypothesis;
    const auto length = seconds_of(window.size());
    std::vector<Segment> segments;
    Segment open{};
    double sum = 0;
    bool has_start = false;
    const auto close = [&](Seconds end) {
        const bool has_text = std::ranges::any_of(open.tokens, [&](Token token) { return vocabulary.is_text(token); });
        if (has_text && open.start < length) {
            open.end = std::clamp(std::max(end, open.start), Seconds{}, length);
            open.avg_logprob = sum / static_cast<double>(open.tokens.size());
            open.temperature = hypothesis.temperature;
            open.no_speech_prob = answer.no_speech_prob;
            segments.push_back(std::move(open));
        }
        open = {};
        sum = 0;
        has_start = false;
    };
    for (std::size_t i = 0; i < hypothesis.tokens.size(); ++i) {
        const Token token = hypothesis.tokens[i];
        if (vocabulary.is_timestamp(token)) {
            const Seconds time(vocabulary.time_of(token));
            if (has_start && !open.text.empty()) {
                open.tokens.push_back(token);
                sum += hypothesis.logprobs[i];
                close(time);
                continue;
            }
            open = {};
            sum = 0;
            open.start = time;
            has_start = true;
        } else {
            open.text += vocabulary.text_of(token);
            has_start = true;
        }
        open.tokens.push_back(token);
        sum += hypothesis.logprobs[i];
    }
    close(length);
    if (segments.empty()) return;
    if (request.options.word_timestamps) add_words(segments, hypothesis, window, request);
    const whisper::Loudness loudness(window);
    for (auto& segment : segments) {
        segment.text = request.joiner.take(segment.text);
        whisper::settle_segment(segment, loudness);  // the model's times are rough where nothing is said
        segment.start += offset;
        segment.end += offset;
        for (auto& word : segment.words) {
            word.start += offset;
            word.end += offset;
        }
        request.transcript.text += segment.text;
        if (request.sink) request.sink(segment);
        request.transcript.segments.push_back(std::move(segment));
    }
}

void WhisperRecognizer::add_words(std::vector<Segment>& segments, const Hypothesis& hypothesis, AudioView window,
                                  Request& request) {
    const auto& vocabulary = engine_->vocabulary;
    const auto length = seconds_of(window.size());
    std::vector<Token> text;
    std::vector<double> probabilities;
    for (std::size_t i = 0; i < hypothesis.tokens.size(); ++i) {
        if (!vocabulary.is_text(hypothesis.tokens[i])) continue;
        text.push_back(hypothesis.tokens[i]);
        probabilities.push_back(std::exp(static_cast<double>(hypothesis.logprobs[i])));
    }
    auto tokens = steering(request, false);
    tokens.push_back(vocabulary.special().no_timestamps);
    const auto times = token_times(state_, audio_, engine_->decoder, engine_->alignment_heads, tokens, text,
                                   vocabulary.special().end_of_text, length, request.run);
    const whisper::Loudness loudness(window);
    const bool every_token = !has_spaces(request.language);
    std::size_t index = 0;
    Seconds earliest{};
    for (auto& segment : segments) {
        CharacterJoiner characters;
        int joined = 0;  // tokens of the last word
        for (const Token token : segment.tokens) {
            if (!vocabulary.is_text(token)) continue;
            const auto piece = vocabulary.text_of(token);
            const bool begins = piece.starts_with(' ') || (every_token && !characters.within_character());
            if (segment.words.empty() || begins) {
                segment.words.push_back({.text = {}, .start = times[index], .end = times[index + 1], .probability = 0});
                joined = 0;
            }
            auto& word = segment.words.back();
            word.text += characters.take(piece);
            word.end = times[index + 1];
            word.probability += (probabilities[index] - word.probability) / ++joined;
            ++index;
        }
        if (!segment.words.empty()) segment.words.back().text += characters.finish();
        for (auto& word : segment.words) word.text = std::string(trimmed(word.text, " "));
        std::erase_if(segment.words, [](const Word& word) { return word.text.empty(); });
        earliest = whisper::settle_words(segment.words, loudness, earliest, length);
    }
}

}  // namespace hotmic::onnx
