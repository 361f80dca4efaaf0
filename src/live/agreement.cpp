#include "live/agreement.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <iterator>
#include <ranges>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic {
namespace {

constexpr Seconds kPause(0.25);  // between two words
/// Audio behind a word. With fewer it may go on, and is another word then; one that is less probable than
/// kProbable may still be another when a little more has been said. Both are for words that are heard twice.
constexpr Seconds kCutOff(0.4);
constexpr Seconds kDoubtfulCutOff(1.0);
constexpr double kProbable = 0.6;
/// With so many nothing that is said later changes it, and once is enough: where partials are far apart, the second
/// time would be long after.
constexpr Seconds kSettled(0.8);
constexpr Seconds kDoubtfulSettled(1.3);

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
auto is_after(Seconds time) {
    return [time](const Word& word) { return (word.start + word.end) / 2 > time; };
}

std::vector<Word> take_from(std::vector<Word>& words, std::vector<Word>::iterator from) {
    std::vector<Word> taken(std::make_move_iterator(from), std::make_move_iterator(words.end()));
    words.erase(from, words.end());
    return taken;
}

}  // namespace

void Agreement::update(std::vector<Word> hypothesis, Seconds heard_to) {
    auto rest = beyond_stable(std::move(hypothesis));
    const auto agreed = std::ranges::mismatch(rest, open_, same).in1;
    auto open = rest.begin();
    for (; open != rest.end(); ++open) {
        const bool doubtful = open->probability < kProbable;
        const auto behind = heard_to - open->end;
        const bool twice = open < agreed && behind >= (doubtful ? kDoubtfulCutOff : kCutOff);
        if (!twice && behind < (doubtful ? kDoubtfulSettled : kSettled)) break;
    }
    auto following = take_from(rest, open);
    std::ranges::move(rest, std::back_inserter(stable_));
    open_ = std::move(following);
}

void Agreement::settle(std::vector<Word> hypothesis, std::size_t settled) {
    const auto open = hypothesis.size() - settled;
    if (!goes_on_in(hypothesis)) hypothesis = conclude(std::move(hypothesis));  // another model has taken over
    settled = std::max(hypothesis.size() - std::min(open, hypothesis.size()), stable_.size());
    open_ = take_from(hypothesis, hypothesis.begin() + static_cast<std::ptrdiff_t>(settled));
    stable_ = std::move(hypothesis);
    settles_ = true;
}

/// It has the stable words as they are spelled, or the last of them with more behind it.
bool Agreement::goes_on_in(const std::vector<Word>& hypothesis) const {
    if (hypothesis.size() < stable_.size()) return false;
    if (stable_.empty()) return true;
    const auto last = stable_.size() - 1;
    return std::ranges::equal(std::span(stable_).first(last), std::span(hypothesis).first(last), {}, &Word::text,
                              &Word::text) &&
           hypothesis[last].text.starts_with(stable_[last].text);
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
    if (settles_ && goes_on_in(hypothesis)) return hypothesis;
    auto words = stable_;
    for (auto [word, better] : std::views::zip(words, hypothesis)) {
        if (!same(word, better)) break;
        better.text = std::move(word.text);
        word = better;
    }
    std::ranges::move(beyond_stable(std::move(hypothesis)), std::back_inserter(words));
    return words;
}

std::size_t Agreement::stable_to_pause(Seconds time) const {
    std::size_t found = 0;
    for (std::size_t next = 1; next < stable_.size() && stable_[next].start <= time; ++next)
        if (stable_[next].start - stable_[next - 1].end >= kPause) found = next;
    return found;
}

Agreement Agreement::split(Seconds time) {
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
