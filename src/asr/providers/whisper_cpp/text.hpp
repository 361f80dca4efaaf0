/// Text from tokens: a token may end in the middle of a character, and a model may spell what is no character at all.
#pragma once

#include <string>
#include <string_view>

namespace hotmic::whisper_cpp {

/// Joins pieces of a byte stream and hands out whole characters only, so that every piece handed out is valid UTF-8.
class CharacterJoiner {
public:
    /// What is complete of everything taken so far and not yet handed out. Bytes that cannot be part of a character
    /// become U+FFFD.
    [[nodiscard]] std::string take(std::string_view piece);
    /// The rest, when no more will come: U+FFFD for a character that never ended, or nothing.
    [[nodiscard]] std::string finish();
    /// A character has begun and not ended.
    [[nodiscard]] bool within_character() const noexcept { return !held_.empty(); }

private:
    std::string held_;
};

/// The last part of `prompt`, at most `bytes` long, beginning at a word where that is possible. Whisper looks at the
/// end of a prompt only, and libwhisper's tokenizer recurses once a character (std::regex), so a long one would
/// overflow the stack.
[[nodiscard]] std::string_view end_of_prompt(std::string_view prompt, std::size_t bytes);

}  // namespace hotmic::whisper_cpp
