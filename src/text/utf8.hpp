/// Valid UTF-8 from bytes that need not be: what a client sent, what an engine printed, tokens that end in the middle
/// of a character.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hotmic {

/// `text` with U+FFFD in place of every byte that is no part of a character (RFC 3629).
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// `text`, or its beginning of at most `most` bytes with whole characters and "… (N bytes)" behind it.
[[nodiscard]] std::string cut(std::string_view text, std::size_t most);

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

}  // namespace hotmic
