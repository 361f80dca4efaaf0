/// The fields of a transcription request, from a multipart form to what the engine is asked.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "asr/formats.hpp"
#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic::server {

/// A form as it came: fields in order, repeated ones included; the audio apart.
struct Form {
    std::vector<std::pair<std::string, std::string>> fields;
    std::shared_ptr<std::vector<std::byte>> file;  ///< null when there was no part named "file"
    std::string file_name;
};

/// A request that makes sense.
struct TranscriptionRequest {
    std::string model;
    TranscribeOptions options;
    ResponseFormat format = ResponseFormat::json;
    RenderOptions render;
    std::optional<Endpointing> chunking{};  ///< cut where somebody speaks; none: cut in pauses where it is long
    bool stream = false;                    ///< as server-sent events, while it is recognized
};

/// Checks every field (OpenAI's API reference, "Create transcription" and "Create translation"). A field that cannot be
/// honoured is refused by name, not ignored. Array fields may be spelled with or without "[]". Errors: missing_file,
/// audio_empty, unsupported_response_format, unsupported_parameter, invalid_request.
[[nodiscard]] Result<TranscriptionRequest> parse_form(const Form& form, Task task);

}  // namespace hotmic::server
