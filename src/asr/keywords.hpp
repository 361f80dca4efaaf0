/// Hot words as people write them.
#pragma once

#include <string_view>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic {

/// "Ada Lovelace, Charles Babbage:3": phrases between commas or line ends, each with its boost behind a colon where it
/// is not the usual one. `field` is named in errors: invalid_request.
[[nodiscard]] Result<std::vector<Hotword>> parse_hotwords(std::string_view text, std::string_view field);

/// The phrases of a prompt that lists keywords; what is longer than a few words is a sentence, and none.
[[nodiscard]] std::vector<Hotword> keywords_in(std::string_view prompt);

}  // namespace hotmic
