#include "asr/cues.hpp"

#include <unigbrk.h>
#include <unilbrk.h>
#include <unistr.h>
#include <uniwidth.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "text/utf8.hpp"

namespace hotmic {
namespace {

/// For widths: full-width characters of every script, and no others, take two columns.
constexpr const char* kEncoding = "UTF-8";
/// A cue that is shown for no time is shown to nobody, and WebVTT wants an end after the start.
constexpr Seconds kShortest(0.001);

/// One character as people see it.
struct Character {
    std::size_t begin = 0;  // byte
    int column = 0;         // columns before it, in the whole text
    int width = 0;          // columns
    bool space = false;
    bool may_break = false;  // a line may begin with it
};

/// A run of characters without spaces at its ends.
struct Line {
    std::size_t begin = 0;  // character
    std::size_t end = 0;
};

/// Without line breaks, which end a cue where there are two.
std::string one_line(std::string_view text) {
    std::string line;
    for (const char c : text) {
        const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (!space)
            line += c;
        else if (!line.empty() && !line.ends_with(' '))
            line += ' ';
    }
    if (line.ends_with(' ')) line.pop_back();
    return valid_utf8(line);
}

bool is_hangul(ucs4_t c) {
    return c >= 0xAC00 && c <= 0xD7A3;
}

std::vector<Character> characters_of(const std::string& text) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    std::vector<char> breaks(text.size());
    std::vector<char> clusters(text.size());
    u8_possible_linebreaks(bytes, text.size(), kEncoding, breaks.data());
    u8_grapheme_breaks(bytes, text.size(), clusters.data());
    std::vector<Character> characters;
    int column = 0;
    for (std::size_t at = 0; at < text.size();) {
        ucs4_t point = 0;
        const auto length = static_cast<std::size_t>(u8_mbtouc(&point, bytes + at, text.size() - at));
        const int width = std::max(0, uc_width(point, kEncoding));
        if (clusters[at] != 0 || characters.empty()) {
            const bool after_space = !characters.empty() && characters.back().space;
            // Korean has words with spaces between them, which Unicode's rules leave to the reader's language.
            const bool allowed = breaks[at] == UC_BREAK_POSSIBLE && (after_space || !is_hangul(point));
            characters.push_back(
                {.begin = at, .column = column, .width = width, .space = point == ' ', .may_break = allowed});
            column += width;
        } else {  // no character is wider than a full-width one, however much it consists of
            const int more = std::min(width, 2 - std::min(2, characters.back().width));
            characters.back().width += more;
            column += more;
        }
        at += length;
    }
    return characters;
}

/// As much on each line as fits.
std::vector<Line> fill(std::span<const Character> characters, int width) {
    std::vector<Line> lines;
    const auto add = [&](std::size_t begin, std::size_t end) {
        while (end > begin && characters[end - 1].space) --end;
        if (begin < end) lines.push_back({begin, end});
    };
    std::size_t begin = 0;
    std::size_t possible = 0;  // the last place to break the line, where that is behind its beginning
    int used = 0;
    for (std::size_t at = 0; at < characters.size(); ++at) {
        const auto& character = characters[at];
        if (character.may_break) possible = at;
        // A space may stand over the edge: there it is not seen.
        if (at > begin && !character.space && used + character.width > width) {
            const auto end = possible > begin ? possible : at;
            add(begin, end);
            begin = end;
            used = character.column - characters[begin].column;
        }
        used += character.width;
    }
    add(begin, characters.size());
    return lines;
}

/// No more lines than need be, and those as even as they can be.
std::vector<Line> break_lines(std::span<const Character> characters, int width) {
    auto best = fill(characters, width);
    int least = 1;
    int most = width;
    while (least < most) {
        const int middle = least + (most - least) / 2;
        auto lines = fill(characters, middle);
        if (lines.size() <= best.size()) {
            best = std::move(lines);
            most = middle;
        } else {
            least = middle + 1;
        }
    }
    return best;
}

/// When each column of a text is said.
class Clock {
public:
    Clock(const Segment& segment, const std::string& text, std::span<const Character> characters)
        : start_(segment.start), end_(std::max(segment.start, segment.end)) {
        const auto column_at = [&](std::size_t byte) {
            const auto at = std::ranges::lower_bound(characters, byte, {}, &Character::begin);
            return at == characters.end() ? characters.back().column + characters.back().width : at->column;
        };
        add(0, start_);
        std::size_t from = 0;
        for (const auto& word : segment.words) {
            const auto spelled = valid_utf8(word.text);
            const auto at = text.find(spelled, from);
            if (spelled.empty() || at == text.npos) continue;
            from = at + spelled.size();
            add(column_at(at), word.start);
            add(column_at(from), word.end);
        }
        add(column_at(text.size()), end_);
    }

    /// Of what begins there: after a pause, if there is one.
    [[nodiscard]] Seconds begin_at(int column) const {
        const auto after = std::ranges::upper_bound(marks_, column, {}, &Mark::column);
        const auto& before = *std::prev(after);
        return before.column == column || after == marks_.end() ? before.time : between(before, *after, column);
    }
    /// Of what ends there: before a pause.
    [[nodiscard]] Seconds end_at(int column) const {
        const auto at = std::ranges::lower_bound(marks_, column, {}, &Mark::column);
        if (at == marks_.end()) return marks_.back().time;
        return at->column == column || at == marks_.begin() ? at->time : between(*std::prev(at), *at, column);
    }

private:
    struct Mark {
        int column;
        Seconds time;
    };
    void add(int column, Seconds time) {
        const auto earliest = marks_.empty() ? start_ : marks_.back().time;
        marks_.push_back({column, std::max(earliest, std::min(time, end_))});
    }
    static Seconds between(const Mark& one, const Mark& other, int column) {
        return one.time + (other.time - one.time) * (column - one.column) / (other.column - one.column);
    }

    const Seconds start_;
    const Seconds end_;
    std::vector<Mark> marks_;  // neither columns nor times go back
};

}  // namespace

std::vector<Cue> cues_of(const Segment& segment, const CueLimits& limits) {
    const auto text = one_line(segment.text);
    if (text.empty()) return {};
    const auto begin = std::max(Seconds{}, segment.start);
    if (limits.max_line_width <= 0) return {{begin, std::max(segment.end, begin + kShortest), {text}}};

    const auto characters = characters_of(text);
    const auto lines = break_lines(characters, limits.max_line_width);
    const auto byte_at = [&](std::size_t at) { return at < characters.size() ? characters[at].begin : text.size(); };
    const Clock clock(segment, text, characters);
    const auto most = static_cast<std::size_t>(std::max(1, limits.max_line_count));
    std::vector<Cue> cues;
    for (std::size_t at = 0; at < lines.size(); at += most) {
        const auto of_cue = std::span(lines).subspan(at, std::min(most, lines.size() - at));
        const auto& last = characters[of_cue.back().end - 1];
        Cue cue{.start = at == 0 ? begin : clock.begin_at(characters[of_cue.front().begin].column),
                .end = at + most >= lines.size() ? segment.end : clock.end_at(last.column + last.width)};
        if (!cues.empty()) cue.start = std::max(cue.start, cues.back().end);
        cue.end = std::max(cue.end, cue.start + kShortest);
        for (const auto& line : of_cue)
            cue.lines.emplace_back(text, byte_at(line.begin), byte_at(line.end) - byte_at(line.begin));
        cues.push_back(std::move(cue));
    }
    return cues;
}

}  // namespace hotmic
