/// Words as the tokens of a text.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/transcript.hpp"

namespace hotmic {

struct Token {
    std::string text;
    double probability = 0;
};

/// A token for each word that is found in `text`, in order, with whatever stands before it; the last one with what
/// stands behind, too. Joined they are `text`, whatever the script. None where no word is found.
[[nodiscard]] std::vector<Token> tokens_of(std::string_view text, std::span<const Word> words);

}  // namespace hotmic
