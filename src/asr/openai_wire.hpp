/// What several answers of OpenAI's audio API have in them, field for field as in its reference, "Audio".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/transcript.hpp"

namespace hotmic::wire {

struct Usage {
    std::string type = "duration";
    std::int64_t seconds = 0;  ///< of audio, begun ones counted whole
};

struct Logprob {
    std::string token;
    std::vector<int> bytes;
    double logprob = 0;
};

/// Absent where nobody asked for them.
using Logprobs = std::optional<std::vector<Logprob>>;

[[nodiscard]] std::string text_of(const Transcript& transcript);
[[nodiscard]] Usage usage_of(const Transcript& transcript);
/// Words stand for tokens, which not every engine has: together they are `text`, spaces and all.
[[nodiscard]] std::vector<Logprob> logprobs_of(std::string_view text, std::span<const Word> words);
[[nodiscard]] std::vector<Logprob> logprobs_of(const Transcript& transcript);

}  // namespace hotmic::wire
