#include "asr/providers/onnx/transducer/words.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <span>
#include <vector>

#include "asr/providers/onnx/transducer/pieces.hpp"
#include "asr/providers/onnx/transducer/search.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "text/utf8.hpp"

namespace hotmic::onnx {
namespace {

// A piece comes when enough of it was heard. Measured against Whisper's times of the same words (docs/providers.md): a
// word's first so much after the word begins, its last so much after it ends.
constexpr Seconds kAfterBegin(0.28);
constexpr Seconds kAfterEnd(0.04);
constexpr Seconds kPause(0.5);  // between words: where a segment ends

/// Written without spaces around it.
bool stands_close(const Word& one, const Word& other) {
    const auto has_no_spaces = [](const Word& word) { return static_cast<unsigned char>(word.text.front()) >= 0xE0; };
    return has_no_spaces(one) && has_no_spaces(other);
}

}  // namespace

std::vector<Word> words_of(std::span<const EmittedPiece> pieces, const Pieces& table, Seconds frame_length,
                           Seconds length) {
    std::vector<Word> words;
    double sum = 0;
    int count = 0;
    bool was_alone = false;
    const auto close = [&] {
        if (count == 0) return;
        auto& word = words.back();
        word.text = valid_utf8(word.text);
        word.end = std::clamp(word.end - kAfterEnd, word.start, length);
        word.probability = std::exp(sum / count);
        sum = 0;
        count = 0;
        if (word.text.empty()) words.pop_back();
    };
    for (const auto& [piece, frame, logprob] : pieces) {
        const auto& entry = table[piece];
        if (entry.bytes.empty() && !entry.begins_word) continue;
        const auto time = std::min((frame + 1) * frame_length, length);
        if (count == 0 || entry.begins_word || entry.stands_alone || was_alone) {
            close();
            const auto earliest = words.empty() ? Seconds{} : words.back().end;
            words.push_back({.text = {}, .start = std::clamp(time - kAfterBegin, earliest, length)});
        }
        was_alone = entry.stands_alone;
        words.back().text += entry.bytes;
        words.back().end = time;
        sum += logprob;
        ++count;
    }
    close();
    return words;
}

bool is_whole(const Word& word) {
    return !word.text.ends_with("\uFFFD");
}

std::string text_of(std::span<const Word> words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0 && !stands_close(words[i - 1], words[i])) text += ' ';
        text += words[i].text;
    }
    return text;
}

std::vector<Segment> segments_of(std::vector<Word> words, bool with_words) {
    std::vector<Segment> segments;
    for (std::size_t first = 0; first < words.size();) {
        auto end = first + 1;
        while (end < words.size() && words[end].start - words[end - 1].end < kPause) ++end;
        const auto said = std::span(words).subspan(first, end - first);
        double sum = 0;
        for (const auto& word : said) sum += std::log(std::max(word.probability, 1e-10));
        segments.push_back({.start = said.front().start,
                            .end = said.back().end,
                            .text = text_of(said),
                            .avg_logprob = sum / static_cast<double>(said.size())});
        if (with_words) {
            segments.back().words.assign(std::make_move_iterator(said.begin()), std::make_move_iterator(said.end()));
        }
        first = end;
    }
    return segments;
}

}  // namespace hotmic::onnx
