#include "live/agreement.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <ranges>
#include <string>
#include <utility>

namespace hotmic {
namespace {

/// Letters and digits in lower case; what is no ASCII stays as it is.
std::string bare(const std::string& text) {
    std::string kept;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x80) kept += c;
        if (byte < 0x80 && std::isalnum(byte) != 0) kept += static_cast<char>(std::tolower(byte));
    }
    return kept;
}

bool same(const Word& one, const Word& other) {
    return bare(one.text) == bare(other.text);
}

/// Whether most of a word is after `time`.
auto is_after(double time) {
    return [time](const Word& word) { return (word.start + word.end) / 2 > time; };
}

std::vector<Word> take_from(std::vector<Word>& words, std::vector<Word>::iterator from) {
    std::vector<Word> taken(std::make_move_iterator(from), std::make_move_iterator(words.end()));
    words.erase(from, words.end());
    return taken;
}

}  // namespace

void Agreement::update(std::vector<Word> hypothesis) {
    auto rest = beyond_stable(std::move(hypothesis));
    const auto [last_agreed, unused] = std::ranges::mismatch(rest, open_, same);
    auto following = take_from(rest, last_agreed);
    std::ranges::move(rest, std::back_inserter(stable_));
    open_ = std::move(following);
}

std::vector<Word> Agreement::extended_by(std::vector<Word> hypothesis) const {
    auto words = stable_;
    std::ranges::copy(open_, std::back_inserter(words));
    const std::size_t certain = words.size() - (open_.empty() ? 0 : 1);
    auto more = certain == 0
                    ? std::move(hypothesis)
                    : take_from(hypothesis, std::ranges::find_if(hypothesis, is_after(words[certain - 1].end)));
    if (more.empty()) return words;
    words.resize(certain);
    std::ranges::move(more, std::back_inserter(words));
    return words;
}

std::vector<Word> Agreement::conclude(std::vector<Word> hypothesis) const {
    auto words = stable_;
    for (auto [word, better] : std::views::zip(words, hypothesis)) {
        if (!same(word, better)) break;
        better.text = std::move(word.text);
        word = better;
    }
    std::ranges::move(beyond_stable(std::move(hypothesis)), std::back_inserter(words));
    return words;
}

Agreement Agreement::split(double time) {
    Agreement rest;
    rest.stable_ = take_from(stable_, std::ranges::find_if(stable_, is_after(time)));
    rest.open_ = take_from(open_, std::ranges::find_if(open_, is_after(time)));
    return rest;
}

/// Where the hypothesis begins with the stable words, what comes after them; otherwise what it has after their time.
std::vector<Word> Agreement::beyond_stable(std::vector<Word> hypothesis) const {
    const auto matched = std::ranges::mismatch(stable_, hypothesis, same);
    if (matched.in1 == stable_.end()) return take_from(hypothesis, matched.in2);
    return take_from(hypothesis, std::ranges::find_if(hypothesis, is_after(stable_.back().end)));
}

}  // namespace hotmic
