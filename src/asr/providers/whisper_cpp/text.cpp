#include "asr/providers/whisper_cpp/text.hpp"

#include <cstddef>
#include <string_view>

namespace hotmic::whisper_cpp {

std::string_view end_of_prompt(std::string_view prompt, std::size_t bytes) {
    if (prompt.size() <= bytes) return prompt;
    prompt.remove_prefix(prompt.size() - bytes);
    if (const auto word = prompt.find(' '); word != std::string_view::npos) return prompt.substr(word);
    // Not within a character (RFC 3629: continuation bytes are 10xxxxxx).
    while (!prompt.empty() && (static_cast<unsigned char>(prompt.front()) & 0xC0) == 0x80) prompt.remove_prefix(1);
    return prompt;
}

}  // namespace hotmic::whisper_cpp
