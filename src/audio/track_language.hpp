/// The languages that media files tag their tracks with.
#pragma once

#include <string_view>

namespace hotmic::audio {

/// Whether a track with this tag ("deu", "ger", "de", "de-AT", "German") is in the language that is wanted, which is an
/// ISO 639-1 code or an English name. False where either is not known.
[[nodiscard]] bool is_track_language(std::string_view tag, std::string_view wanted) noexcept;

}  // namespace hotmic::audio
