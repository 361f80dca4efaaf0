/// Prompts as libwhisper can take them.
#pragma once

#include <cstddef>
#include <string_view>

namespace hotmic::whisper_cpp {

/// The last part of `prompt`, at most `bytes` long, beginning at a word where that is possible. Whisper looks at the
/// end of a prompt only, and libwhisper's tokenizer recurses once a character (std::regex), so a long one would
/// overflow the stack.
[[nodiscard]] std::string_view end_of_prompt(std::string_view prompt, std::size_t bytes);

}  // namespace hotmic::whisper_cpp
