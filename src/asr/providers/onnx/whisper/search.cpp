#include "asr/providers/onnx/whisper/search.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/whisper/rules.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"

namespace hotmic::onnx {
namespace {

void check_numbers(std::span<const float> logits) {
    // One comparison fails for what is no number, and infinity is only put there by our own rules, later.
    float sum = 0;
    for (const float logit : logits) sum += logit * 0;
    if (sum != 0) throw std::runtime_error("the model produced numbers that are not finite");
}

}  // namespace

Hypothesis Search::run(std::span<const float> first, const SearchOptions& options, const CancellableRun& run) {
    if (options.temperature == 0 && options.beam > 1) return beam(first, options, run);
    return side_by_side(first, options, run);
}

Token Search::choose(std::span<const float> logits, double temperature) {
    if (temperature == 0) return best_of(logits);
    // What is less likely than e^-20 times the likeliest is never drawn.
    const auto least = std::ranges::max(logits) - static_cast<float>(20 * temperature);
    weights_.clear();
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        if (!(logits[i] > least)) continue;
        sum += std::exp((logits[i] - least) / temperature - 20);
        weights_.emplace_back(static_cast<Token>(i), sum);
    }
    const double drawn = std::uniform_real_distribution<double>(0, sum)(random_);
    const auto found = std::ranges::upper_bound(weights_, drawn, {}, &std::pair<Token, double>::second);
    return found == weights_.end() ? best_of(logits) : found->first;
}

/// One row for the likeliest tokens, or several that are sampled; the best of them.
Hypothesis Search::side_by_side(std::span<const float> first, const SearchOptions& options, const CancellableRun& run) {
    const auto count = static_cast<std::size_t>(options.temperature > 0 ? std::max(1, options.candidates) : 1);
    std::vector<Row> rows(count);
    for (auto& row : rows) row.hypothesis.temperature = options.temperature;
    if (count > 1) state_.fork(static_cast<int>(count));
    std::vector<Token> next(count, end_);
    const auto advance = [&](std::size_t index, std::span<const float> logits) {
        auto& [hypothesis, done] = rows[index];
        if (done) return;
        scratch_.assign(logits.begin(), logits.end());
        check_numbers(scratch_);
        rules_.apply(scratch_, hypothesis.tokens, options.seconds, options.audio_events);
        const Token token = choose(scratch_, options.temperature);
        const auto logprob = static_cast<float>(scratch_[static_cast<std::size_t>(token)] - log_sum_exp(scratch_));
        hypothesis.sum_logprob += logprob;
        next[index] = token;
        if (token == end_) {
            hypothesis.ended = done = true;
            return;
        }
        hypothesis.tokens.push_back(token);
        hypothesis.logprobs.push_back(logprob);
        done = static_cast<int>(hypothesis.tokens.size()) >= options.most_tokens;
    };
    for (std::size_t i = 0; i < count; ++i) advance(i, first);
    const auto draft =
        options.draft.first(std::min(options.draft.size(), static_cast<std::size_t>(options.most_tokens)));
    if (options.temperature == 0 && !draft.empty() && next[0] == draft[0]) {
        const int before = state_.position();
        std::vector<std::int64_t> all(draft.size());
        std::iota(all.begin(), all.end(), 0);
        const auto logits = state_.feed(draft, all, run);
        std::size_t taken = 0;
        while (taken < draft.size() && !rows[0].done && next[0] == draft[taken]) advance(0, logits[taken++]);
        state_.truncate(before + static_cast<int>(taken));
        rows[0].hypothesis.drafted = static_cast<int>(taken);
    }
    while (!std::ranges::all_of(rows, &Row::done)) {
        const auto logits = state_.step(next, run);
        for (std::size_t i = 0; i < count; ++i) advance(i, logits[i]);
    }
    return std::move(
        std::ranges::max_element(rows, {}, [](const Row& row) { return row.hypothesis.avg_logprob(); })->hypothesis);
}

/// By the logits in `scratch_`, the likeliest first.
std::vector<Token> Search::likeliest(std::size_t count) const {
    std::vector<Token> best;
    const auto logit = [&](Token token) { return scratch_[static_cast<std::size_t>(token)]; };
    for (Token token = 0; token < static_cast<Token>(scratch_.size()); ++token) {
        if (best.size() == count) {
            if (logit(token) <= logit(best.back())) continue;
            best.pop_back();
        }
        best.insert(std::ranges::upper_bound(best, logit(token), std::ranges::greater{}, logit), token);
    }
    return best;
}

/// Sutskever et al., "Sequence to Sequence Learning with Neural Networks", 3.2; it ends when as many hypotheses have
/// ended as the beam is wide.
Hypothesis Search::beam(std::span<const float> first, const SearchOptions& options, const CancellableRun& run) {
    const auto width = static_cast<std::size_t>(options.beam);
    std::vector<Hypothesis> alive(1);
    std::vector<Hypothesis> ended;
    std::vector<Candidate> candidates;
    const auto gather = [&](std::size_t row, std::span<const float> logits) {
        scratch_.assign(logits.begin(), logits.end());
        check_numbers(scratch_);
        rules_.apply(scratch_, alive[row].tokens, options.seconds, options.audio_events);
        const double all = log_sum_exp(scratch_);
        for (const Token token : likeliest(width + 1)) {
            const auto logprob = static_cast<float>(scratch_[static_cast<std::size_t>(token)] - all);
            if (std::isfinite(logprob)) candidates.push_back({row, token, logprob, alive[row].sum_logprob + logprob});
        }
    };
    gather(0, first);
    for (int length = 0; length < options.most_tokens; ++length) {
        std::ranges::stable_sort(candidates, std::ranges::greater{}, &Candidate::sum);
        std::vector<Hypothesis> next;
        std::vector<int> parents;
        std::vector<Token> tokens;
        for (const auto& [row, token, logprob, sum] : candidates) {
            if (next.size() == width) break;
            auto grown = alive[row];
            grown.sum_logprob = sum;
            if (token == end_) {
                grown.ended = true;
                if (ended.size() < width) ended.push_back(std::move(grown));
                continue;
            }
            grown.tokens.push_back(token);
            grown.logprobs.push_back(logprob);
            next.push_back(std::move(grown));
            parents.push_back(static_cast<int>(row));
            tokens.push_back(token);
        }
        if (ended.size() >= width || next.empty()) break;
        while (next.size() < width) {  // the beginning has fewer continuations than the beam is wide
            next.push_back(next.back());
            next.back().sum_logprob = -1e9;
            parents.push_back(parents.back());
            tokens.push_back(tokens.back());
        }
        if (state_.rows() < static_cast<int>(width))
            state_.fork(static_cast<int>(width));
        else
            state_.reorder(parents);
        alive = std::move(next);
        candidates.clear();
        const auto logits = state_.step(tokens, run);
        for (std::size_t row = 0; row < alive.size(); ++row) gather(row, logits[row]);
    }
    if (ended.empty()) ended = std::move(alive);
    return std::move(*std::ranges::max_element(ended, {}, &Hypothesis::avg_logprob));
}

}  // namespace hotmic::onnx
