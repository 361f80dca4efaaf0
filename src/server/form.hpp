/// The fields of a transcription request, from a multipart form to what the engine is asked.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/channels.hpp"
#include "asr/formats.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"

namespace hotmic::server {

/// A form as it came: fields in order, repeated ones included; the audio apart.
struct Form {
    std::vector<std::pair<std::string, std::string>> fields;
    std::vector<std::pair<std::string, std::string>> query{};  ///< of the URL; what is no field is not looked at
    std::optional<Bytes> file{};                               ///< of the part named "file", where there was one
    std::string file_name;
    std::vector<std::string> other_files{};  ///< names of fields that hold files and are not "file"
};

/// A request that makes sense.
struct TranscriptionRequest {
    std::string model;
    TranscribeOptions options;
    ResponseFormat format = ResponseFormat::json;
    RenderOptions render;
    std::optional<Channels> channels{};     ///< none: as configured
    std::optional<int> max_line_width{};    ///< of subtitles; none: as configured
    std::optional<int> max_line_count{};    ///< of subtitles; none: as configured
    std::optional<Endpointing> chunking{};  ///< cut where somebody speaks; none: cut in pauses where it is long
    std::vector<std::string> warnings{};    ///< what was asked for and is not done
    bool stream = false;                    ///< as server-sent events, while it is recognized
};

/// Checks every field (OpenAI's API reference, "Create transcription" and "Create translation"). A field that cannot be
/// honoured is refused by name; those that other servers know and that change nothing essential are passed over with a
/// warning. Array fields may be spelled with or without "[]", as several fields, with commas or as a list in JSON.
/// Errors: missing_file, audio_empty, unsupported_response_format, unsupported_parameter, invalid_request.
[[nodiscard]] Result<TranscriptionRequest> parse_form(const Form& form, Task task);

/// Fields that other servers have and this one passes over, with why.
struct KnownExtra {
    std::string_view name;
    std::string_view why;
};
[[nodiscard]] std::span<const KnownExtra> known_extras() noexcept;

}  // namespace hotmic::server
