/// What recognition yields and what a caller may ask of it. Times are from the start of the audio.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hotmic/units.hpp"

namespace hotmic {

/// One word and when it was said.
struct Word {
    std::string text;        ///< without surrounding spaces
    Seconds start{};         ///< of its first sound
    Seconds end{};           ///< of its last
    double probability = 0;  ///< 0..1
};

/// A stretch of text with its times.
struct Segment {
    Seconds start{};   ///< of its first sound
    Seconds end{};     ///< of its last
    std::string text;  ///< valid UTF-8, as the engine spells it (whisper starts segments with a space)
    std::vector<std::int32_t> tokens{};  ///< of the model, that the text was made of
    double temperature = 0;              ///< that decoded this segment
    double avg_logprob = 0;              ///< mean log-probability of the tokens or words
    double no_speech_prob = 0;           ///< 0..1
    std::vector<Word> words{};           ///< only when asked for
    std::optional<int> channel{};        ///< that it was heard on, from 0; only where channels are kept apart
};

/// That an engine was asked for the language of a stretch of speech, and what it said.
struct LanguageDetection {
    std::string language;    ///< ISO 639-1 code
    double probability = 0;  ///< 0..1, of those that were allowed
};

/// All that was heard.
struct Transcript {
    std::string text;                             ///< all segments joined, surrounding spaces removed
    std::string language;                         ///< ISO 639-1 code, e.g. "en"
    double language_probability = 0;              ///< 0 when the language was given, not detected
    Seconds duration{};                           ///< of the audio recognized
    std::vector<Segment> segments;                ///< in order of time
    std::vector<LanguageDetection> detections{};  ///< in order of time
    Seconds uncovered{};                          ///< speech for which the model gave no text, though it heard it twice
    /// Of a stream's step: so many of its words, from the first on, stay as they are; but the last of all may get
    /// longer, for it may not have been said to its end.
    std::size_t settled_words = 0;
    /// Of a stream's step: audio in which the engine heard nothing after the last word, or nothing at all.
    Seconds trailing_blank{};
    /// Of a stream's step: the length of the stream from which on the next step hears something new. 0: any length.
    Samples next_step_at{};
    /// What the engine did on the way, by name, e.g. "window_6s", "rerun_repetition", "fallback": for metrics.
    std::map<std::string, int> counters{};
};

/// What becomes of speech: its text, or its text in English.
enum class Task : std::uint8_t { transcribe, translate };

/// A step of a stream: speech that an engine hears as it comes, each sample once (Capabilities::streaming). The audio
/// of the request follows on that of the stream's last step, and the answer is what has been heard since the stream
/// began.
///
///   open, reset  from = 0           the stream begins, or begins anew
///   feed         from = heard       a partial result
///   finish       last = true        the final result; the stream is gone
///
/// What a stream has heard is kept by the engine, within bounds: one that is not there, or has not heard exactly `from`
/// samples, is answered with `stream_lost`, and whoever feeds it begins anew with what it still holds.
struct StreamStep {
    std::uint64_t stream = 0;  ///< which; 0: the request is no step of one, and its audio is whole
    Samples from{};            ///< of the stream that came before this audio
    bool last = false;         ///< nothing follows

    friend bool operator==(const StreamStep&, const StreamStep&) = default;
};

/// A phrase that is likelier to be said here than elsewhere: a name, a term.
struct Hotword {
    std::string phrase;  ///< one word or several
    double boost = 0;    ///< how much likelier, in the logarithm, each of its pieces is; 0: the engine's usual boost

    friend bool operator==(const Hotword&, const Hotword&) = default;
};

/// Per-request options. Defaults are what a client that says nothing gets.
struct TranscribeOptions {
    Task task = Task::transcribe;  ///< transcribe, or translate into English
    /// ISO code or English name ("de", "german"). "auto" detects; empty is the model's default, and detects where it
    /// has none.
    std::string language{};
    std::vector<std::string> languages{};  ///< that detection chooses among; empty: all that the model knows
    /// What was spoken just before, an ISO code; empty: not known. Detection keeps it for a short moment that may as
    /// well be in another language.
    std::string language_before{};
    std::string prompt{};              ///< initial prompt: spelling and context, in the model's own words
    double temperature = 0;            ///< 0..1; 0 starts greedy and lets the engine fall back to higher ones
    bool temperature_fallback = true;  ///< tries higher temperatures where a result is doubtful
    int beam_size = 0;                 ///< 0: the model's default, which is greedy; 1: greedy
    int best_of = 0;                   ///< candidates when sampling; 0: the model's configured maximum
    bool word_timestamps = false;      ///< times of words are wanted
    bool tag_audio_events = false;     ///< keep what the engine writes of sounds: "[Music]", "(applause)"
    StreamStep step{};                 ///< for engines that can (Capabilities::streaming)
    /// For engines that can (Capabilities::hotwords). What another engine is given of them is a prompt.
    std::vector<Hotword> hotwords{};
    /// A better answer is asked for soon: an engine does not try again where it doubts what it heard, and rather hears
    /// nothing.
    bool provisional = false;
    /// What the audio is probably heard as, in the model's tokens (Segment::tokens, of one segment after the other):
    /// the answer to a request for less of it. An engine may check them together instead of finding them one by one;
    /// what it answers is the same, but for rounding.
    std::vector<std::int32_t> draft{};

    friend bool operator==(const TranscribeOptions&, const TranscribeOptions&) = default;
};

/// Receives segments as they become final, in order, on the inference thread. Must not block and must not throw.
using SegmentSink = std::function<void(const Segment&)>;

}  // namespace hotmic
