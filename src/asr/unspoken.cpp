#include "asr/unspoken.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/transcript.hpp"
#include "text/trimmed.hpp"

namespace hotmic {
namespace {

using namespace std::string_view_literals;

/// Whisper's own rule for a window without speech.
constexpr double kNoSpeech = 0.6;
constexpr double kUnlikely = -1.0;

bool is_remark(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kMarks{
        {{"(", ")"}, {"*", "*"}, {"（", "）"}, {"♪", "♪"}}};
    return std::ranges::any_of(kMarks, [&](const auto& mark) {
        const auto& [open, close] = mark;
        if (text.size() <= open.size() + close.size() || !text.starts_with(open) || !text.ends_with(close))
            return false;
        const auto inside = text.substr(open.size(), text.size() - open.size() - close.size());
        return !inside.contains(close);
    });
}

/// Without `[…]`, where it is closed.
std::string without_brackets(std::string_view text) {
    std::string left;
    while (true) {
        const auto open = text.find('[');
        const auto close = open == text.npos ? open : text.find(']', open);
        if (close == text.npos) return left.append(text);
        left.append(text.substr(0, open));
        text.remove_prefix(close + 1);
        if (left.ends_with(' ') && text.starts_with(' ')) text.remove_prefix(1);
    }
}

/// Only punctuation and spaces.
bool is_nothing(std::string_view text) {
    return std::ranges::none_of(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= 0x80 || std::isalnum(byte) != 0;
    });
}

}  // namespace

std::string without_sounds(std::string_view text) {
    constexpr auto kNote = "♪"sv;
    auto left = without_brackets(text);
    if (is_remark(trimmed(left))) return {};
    for (auto at = left.find(kNote); at != left.npos; at = left.find(kNote)) left.erase(at, kNote.size());
    // A remark behind what was said, as after a dictation that ends in silence.
    const auto end = trimmed(left);
    if (const auto star = end.find('*'); star != end.npos && star > 0 && is_remark(end.substr(star)))
        left.erase(left.find('*'));
    while (left.ends_with(' ') && left != text) left.pop_back();
    return left;
}

bool keep_speech(Segment& segment, bool audio_events) {
    if (segment.no_speech_prob > kNoSpeech && segment.avg_logprob < kUnlikely) return false;
    if (audio_events) return true;
    auto left = without_sounds(segment.text);
    if (left == segment.text) return true;
    if (is_nothing(left)) return false;
    segment.text = std::move(left);
    // Words are those of the text, in order: those that are not found in it any more were sounds.
    std::size_t from = 0;
    std::erase_if(segment.words, [&](const Word& word) {
        const auto at = segment.text.find(word.text, from);
        if (at == std::string::npos) return true;
        from = at + word.text.size();
        return false;
    });
    return true;
}

}  // namespace hotmic
