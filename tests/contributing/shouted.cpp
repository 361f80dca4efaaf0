// The format of answers that docs/contributing.md is tried with: one word a line, in capitals.
#include <algorithm>

#include "asr/formats/renderers.hpp"

namespace hotmic {

std::string formats::shouted(const Transcript& transcript, const RenderOptions& /*options*/) {
    std::string text = transcript.text;
    std::ranges::transform(text, text.begin(), [](char c) {
        return c == ' ' ? '\n' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return text + "\n";
}

}  // namespace hotmic
