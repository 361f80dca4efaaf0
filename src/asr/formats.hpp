/// Transcripts as text: the response formats of OpenAI's API, also what the command line writes.
///
/// A format is a value of ResponseFormat, a row of the table in formats.cpp and a function of its own in formats/,
/// which writes it. What is written of a transcript that is still being made is in transcript_events.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "asr/cues.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic {

/// In the order of the table in formats.cpp; verbose_json stays the last, so that the compiler misses a row.
enum class ResponseFormat : std::uint8_t { json, text, srt, vtt, verbose_json };

/// Errors: unsupported_response_format, listing those that exist.
[[nodiscard]] Result<ResponseFormat> parse_response_format(std::string_view name);
/// "json", "text", … of every format.
[[nodiscard]] std::vector<std::string_view> response_format_names();
/// "json", "text", …
[[nodiscard]] std::string_view name_of(ResponseFormat format) noexcept;
/// The MIME type of a response in this format.
[[nodiscard]] std::string_view content_type_of(ResponseFormat format) noexcept;
/// How the name of a file in this format ends: ".srt", …
[[nodiscard]] std::string_view extension_of(ResponseFormat format) noexcept;
/// The text is shown while it is said: srt and vtt.
[[nodiscard]] bool is_subtitles(ResponseFormat format) noexcept;

struct RenderOptions {
    Task task = Task::transcribe;
    bool segments = true;    ///< verbose_json: list segments
    bool words = false;      ///< verbose_json: list words
    bool logprobs = false;   ///< json: list the words' log-probabilities, which the transcript must have
    bool uncovered = false;  ///< verbose_json: the seconds of speech that the model gave no text for
    CueLimits cues{};        ///< subtitles
};

/// The transcript has to have the times of words: cues that are no whole segments take theirs from there.
[[nodiscard]] bool needs_words(ResponseFormat format, const RenderOptions& options) noexcept;

/// Always valid UTF-8; ends with a newline in the text formats.
[[nodiscard]] std::string render(const Transcript& transcript, ResponseFormat format, const RenderOptions& options);

}  // namespace hotmic
