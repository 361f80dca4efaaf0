#include "asr/tokens.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/transcript.hpp"
#include "text/utf8.hpp"

namespace hotmic {

std::vector<Token> tokens_of(std::string_view text, std::span<const Word> words) {
    std::vector<Token> tokens;
    std::size_t told = 0;
    for (const auto& word : words) {
        const auto spelled = valid_utf8(word.text);
        const auto at = text.find(spelled, told);
        if (spelled.empty() || at == text.npos) continue;
        const auto end = at + spelled.size();
        tokens.push_back({std::string(text.substr(told, end - told)), word.probability});
        told = end;
    }
    if (!tokens.empty()) tokens.back().text += text.substr(told);
    return tokens;
}

}  // namespace hotmic
