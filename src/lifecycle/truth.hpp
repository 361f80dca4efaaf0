/// Whether a backend tells the truth: the same clip, the same words, each time it is asked, and those that were said.
///
/// Some drivers answer rightly once and then differently; a model on one of those must not become READY, nor stay it.
#pragma once

#include <optional>
#include <string>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic {

/// Judges answers to one clip. A value; not thread-safe. Knows no engine and runs nothing.
class Truth {
public:
    /// Nothing to compare with: nothing is ever wrong.
    Truth() = default;
    /// `said`: in the clip; empty where the model does not know its language or nobody said. `how`: as strictly.
    /// `on`: what is computed on, for the reason.
    Truth(Validate how, std::string said, double max_word_error_rate, std::string on);

    /// Why an answer to the clip disqualifies the backend, if it does. The first one judged is what later ones are
    /// compared with; it is judged by the caller, for a model may be to blame for it. `options`: it was asked with.
    /// Words must be the same where they are decided and not drawn (temperature 0, and as the first was asked);
    /// otherwise, as with a beam, they must be as near to what was said as the first was bound to be.
    [[nodiscard]] std::optional<Error> judge(const Transcript& heard, const TranscribeOptions& options = {});

private:
    [[nodiscard]] Error disqualified(const std::string& why, const Transcript& heard) const;

    Validate how_ = Validate::off;
    std::string said_;
    double max_word_error_rate_ = 1;
    std::string on_;
    std::optional<Transcript> first_;
};

}  // namespace hotmic
