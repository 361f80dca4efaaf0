/// Text from tokens: a token may end in the middle of a character.
#pragma once

#include <string>
#include <string_view>

namespace hotmic::whisper_cpp {

/// How many bytes at the end of `text` begin a UTF-8 character without ending it (0 to 3).
[[nodiscard]] std::size_t unfinished_tail(std::string_view text) noexcept;

/// Joins pieces of a byte stream and hands out whole characters only.
class CharacterJoiner {
public:
    /// What is complete of everything taken so far and not yet handed out.
    [[nodiscard]] std::string take(std::string_view piece) {
        held_ += piece;
        const auto tail = unfinished_tail(held_);
        std::string whole = held_.substr(0, held_.size() - tail);
        held_.erase(0, whole.size());
        return whole;
    }

private:
    std::string held_;
};

}  // namespace hotmic::whisper_cpp
