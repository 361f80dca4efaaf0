/// Transcripts as text: the response formats of OpenAI's API, also what the command line writes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "asr/cues.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic {

enum class ResponseFormat : std::uint8_t { json, text, srt, vtt, verbose_json };

/// Errors: unsupported_response_format, listing those that exist.
[[nodiscard]] Result<ResponseFormat> parse_response_format(std::string_view name);
/// "json", "text", …
[[nodiscard]] std::string_view name_of(ResponseFormat format) noexcept;
/// srt and vtt: what is shown while it is said.
[[nodiscard]] constexpr bool is_subtitles(ResponseFormat format) noexcept {
    return format == ResponseFormat::srt || format == ResponseFormat::vtt;
}
/// The MIME type of a response in this format.
[[nodiscard]] std::string_view content_type_of(ResponseFormat format) noexcept;

struct RenderOptions {
    Task task = Task::transcribe;
    bool segments = true;    ///< verbose_json: list segments
    bool words = false;      ///< verbose_json: list words
    bool logprobs = false;   ///< json: list the words' log-probabilities, which the transcript must have
    bool uncovered = false;  ///< verbose_json: the seconds of speech that the model gave no text for
    CueLimits cues{};        ///< srt, vtt
};

/// Cues that are no whole segments have the times of their words.
[[nodiscard]] constexpr bool needs_words(ResponseFormat format, const RenderOptions& options) noexcept {
    return is_subtitles(format) && options.cues.max_line_width > 0;
}

/// Always valid UTF-8, ends with a newline in the text formats.
[[nodiscard]] std::string render(const Transcript& transcript, ResponseFormat format, const RenderOptions& options);

/// A transcript on its way out: the events of OpenAI's streamed transcription, as JSON.
/// https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event
class TranscriptEvents {
public:
    explicit TranscriptEvents(RenderOptions options) : options_(options) {}

    /// transcript.text.delta: what this segment adds. Empty for a segment without text.
    [[nodiscard]] std::string delta(const Segment& segment);
    /// transcript.text.done: the whole.
    [[nodiscard]] std::string done(const Transcript& transcript) const;

private:
    const RenderOptions options_;
    char last_ = 0;  // character that was told
};

/// Bytes of `text` ÷ bytes of its zlib stream: how repetitive it is. As OpenAI defines `compression_ratio`.
[[nodiscard]] double compression_ratio(std::string_view text);

}  // namespace hotmic
