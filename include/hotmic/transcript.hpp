/// What recognition yields and what a caller may ask of it. Times are seconds from the start of the audio.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hotmic {

struct Word {
    std::string text;        ///< without surrounding spaces
    double start = 0;        ///< seconds
    double end = 0;          ///< seconds
    double probability = 0;  ///< 0..1
};

struct Segment {
    double start = 0;  ///< seconds
    double end = 0;    ///< seconds
    std::string text;  ///< valid UTF-8, as the engine spells it (whisper starts segments with a space)
    std::vector<std::int32_t> tokens{};
    double temperature = 0;     ///< that decoded this segment
    double avg_logprob = 0;     ///< mean log-probability of the tokens or words
    double no_speech_prob = 0;  ///< 0..1
    std::vector<Word> words{};  ///< only when asked for
};

struct Transcript {
    std::string text;                 ///< all segments joined, surrounding spaces removed
    std::string language;             ///< ISO 639-1 code, e.g. "en"
    double language_probability = 0;  ///< 0 when the language was given, not detected
    double duration = 0;              ///< seconds of audio recognized
    std::vector<Segment> segments;
};

enum class Task : std::uint8_t { transcribe, translate };

/// Per-request options. Defaults are what a client that says nothing gets.
struct TranscribeOptions {
    Task task = Task::transcribe;
    std::string language{};  ///< ISO code or English name ("de", "german"); empty or "auto" detects
    std::string prompt{};    ///< initial prompt: spelling and context, in the model's own words
    double temperature = 0;  ///< 0..1; 0 starts greedy and lets the engine fall back to higher ones
    bool temperature_fallback = true;
    int beam_size = 0;  ///< 0: greedy
    int best_of = 0;    ///< candidates when sampling; 0: the model's configured maximum
    bool word_timestamps = false;
    /// The audio is the beginning of an utterance that is still being spoken, and will come again with more. An engine
    /// that can (Capabilities::incremental) goes on where it was when the audio begins with that of its last such
    /// request; the others hear it anew. Its words are a guess that more audio may change.
    bool growing = false;
};

/// Receives segments as they become final, in order, on the inference thread. Must not block and must not throw.
using SegmentSink = std::function<void(const Segment&)>;

}  // namespace hotmic
