/// What is refused of any client, whatever the engine: how large what it says about its audio may be, above all.
///
/// Looked at twice: where a field comes in, so that the client is told its name, and where every request passes on its
/// way to an engine (SlotPool), so that no way in can be forgotten.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic {

/// Bytes that a field of this name may have. A prompt's last 224 tokens are all that any model looks at; the other
/// fields are names, codes and numbers.
[[nodiscard]] std::size_t most_bytes_of(std::string_view field) noexcept;

/// Errors: invalid_request, naming the field, its size and its limit, and not repeating the value.
[[nodiscard]] Result<void> check_size(std::string_view field, std::string_view value);

/// A language that is asked for beside languages to choose among has to be one of them. Errors: invalid_request, naming
/// `field`.
[[nodiscard]] Result<void> check_language_choice(const std::string& language, const std::vector<std::string>& languages,
                                                 const std::string& field);

/// Errors: audio_invalid_samples, naming the first sample that is no number.
[[nodiscard]] Result<void> check_samples(AudioView audio);

/// The same for everything in them that has no size of its own.
[[nodiscard]] Result<void> check_sizes(const TranscribeOptions& options);

}  // namespace hotmic
