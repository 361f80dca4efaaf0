#include "asr/providers/whisper_cpp/text.hpp"

namespace hotmic::whisper_cpp {

std::size_t unfinished_tail(std::string_view text) noexcept {
    // Look back over at most three continuation bytes for the lead byte (RFC 3629, section 3).
    for (std::size_t back = 1; back <= 4 && back <= text.size(); ++back) {
        const auto byte = static_cast<unsigned char>(text[text.size() - back]);
        if ((byte & 0xC0) == 0x80) continue;
        const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
        return length > back ? back : 0;
    }
    return 0;
}

}  // namespace hotmic::whisper_cpp
