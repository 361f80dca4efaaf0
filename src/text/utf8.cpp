#include "text/utf8.hpp"

#include <array>
#include <cstddef>
#include <cwchar>
#include <format>
#include <locale>
#include <string>
#include <string_view>

namespace hotmic {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

std::string valid_utf8(std::string_view text) {
    CharacterJoiner joiner;
    auto whole = joiner.take(text);
    return whole += joiner.finish();
}

std::string cut(std::string_view text, std::size_t most) {
    if (text.size() <= most) return std::string(text);
    auto end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return std::format("{}… ({} bytes)", text.substr(0, end), text.size());
}

std::string CharacterJoiner::take(std::string_view piece) {
    held_ += piece;
    const auto& decoder = std::use_facet<std::codecvt<char32_t, char8_t, std::mbstate_t>>(std::locale::classic());
    const std::u8string bytes(held_.begin(), held_.end());
    std::array<char32_t, 64> characters{};
    std::string whole;
    std::size_t at = 0;
    while (at < bytes.size()) {
        std::mbstate_t state{};
        const char8_t* next = nullptr;
        char32_t* end = nullptr;
        const auto result = decoder.in(state, bytes.data() + at, bytes.data() + bytes.size(), next, characters.data(),
                                       characters.data() + characters.size(), end);
        const auto used = static_cast<std::size_t>(next - (bytes.data() + at));
        whole.append(held_, at, used);
        at += used;
        if (result == std::codecvt_base::error) {
            whole += kReplacement;
            ++at;
        } else if (used == 0) {
            break;  // the beginning of a character
        }
    }
    held_.erase(0, at);
    return whole;
}

std::string CharacterJoiner::finish() {
    if (held_.empty()) return {};
    held_.clear();
    return std::string(kReplacement);
}

}  // namespace hotmic
