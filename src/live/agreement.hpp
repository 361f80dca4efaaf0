/// Which words of an utterance that is still being spoken will not change any more.
#pragma once

#include <cstddef>
#include <vector>

#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

/// LocalAgreement-2: a word is stable once two hypotheses in a row have it, each with the same words before it.
/// Macháček, Dabre, Bojar: "Turning Whisper into Real-Time Transcription System", 2023,
/// https://arxiv.org/abs/2307.14743
///
/// Each hypothesis is of the whole utterance, times on one clock. Words are compared without case and punctuation,
/// which engines change as more is heard; what has become stable keeps the spelling it had then.
class Agreement {
public:
    /// Takes the next hypothesis, of audio that ends at `heard_to`. A word at that end may have been cut off, and does
    /// not become stable; nor does an improbable one near it.
    void update(std::vector<Word> hypothesis, Seconds heard_to);

    /// The same of an engine that takes nothing back: its first `settled` words are stable at once, though the last
    /// word of all may still get longer.
    void settle(std::vector<Word> hypothesis, std::size_t settled);

    [[nodiscard]] const std::vector<Word>& stable() const noexcept { return stable_; }
    /// What follows the stable words in the last hypothesis.
    [[nodiscard]] const std::vector<Word>& open() const noexcept { return open_; }

    /// What is heard so far, given a hypothesis of more audio that hears worse than those that were taken: all that is
    /// known but the very last word, which may have been cut off, and what the hypothesis has after that.
    [[nodiscard]] std::vector<Word> extended_by(std::vector<Word> hypothesis) const;

    /// The whole utterance's words, given its last hypothesis: the stable ones as they are spelled, with the times and
    /// probabilities of that hypothesis as far as it begins with them, and what follows them.
    [[nodiscard]] std::vector<Word> conclude(std::vector<Word> hypothesis) const;

    /// How many of the stable words end in a pause that is over before `time`: the most. 0: there is no such pause.
    [[nodiscard]] std::size_t stable_to_pause(Seconds time) const;

    /// Parts at `time`: this keeps the words before it, and what is returned has those after.
    [[nodiscard]] Agreement split(Seconds time);

private:
    [[nodiscard]] bool goes_on_in(const std::vector<Word>& hypothesis) const;
    [[nodiscard]] std::vector<Word> beyond_stable(std::vector<Word> hypothesis) const;

    std::vector<Word> stable_;
    std::vector<Word> open_;
    bool settles_ = false;  // the last of `stable_` may be the beginning of a word
};

}  // namespace hotmic
