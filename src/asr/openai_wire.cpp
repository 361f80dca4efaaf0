#include "asr/openai_wire.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/tokens.hpp"
#include "hotmic/transcript.hpp"
#include "text/trimmed.hpp"
#include "text/utf8.hpp"

namespace hotmic {

std::string wire::text_of(const Transcript& transcript) {
    return valid_utf8(trimmed(transcript.text));
}

wire::Usage wire::usage_of(const Transcript& transcript) {
    return {.seconds = std::chrono::ceil<std::chrono::seconds>(transcript.duration).count()};
}

std::vector<wire::Logprob> wire::logprobs_of(std::string_view text, std::span<const Word> words) {
    std::vector<Logprob> all;
    for (auto& [token, probability] : tokens_of(text, words)) {
        Logprob logprob{
            .token = std::move(token), .bytes = {}, .logprob = std::log(std::clamp(probability, 1e-9, 1.0))};
        for (const char c : logprob.token) logprob.bytes.push_back(static_cast<unsigned char>(c));
        all.push_back(std::move(logprob));
    }
    return all;
}

std::vector<wire::Logprob> wire::logprobs_of(const Transcript& transcript) {
    std::vector<Word> words;
    for (const auto& segment : transcript.segments) words.append_range(segment.words);
    return logprobs_of(text_of(transcript), words);
}

}  // namespace hotmic
