#include "asr/providers/onnx/transducer/search.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/hotword_graph.hpp"
#include "asr/providers/onnx/transducer/pieces.hpp"
#include "asr/providers/onnx/transducer/predictor.hpp"

namespace hotmic::onnx {
namespace {

double log_sum_exp(std::span<const float> logits) {
    const float most = std::ranges::max(logits);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit - most);
    return most + std::log(sum);
}

double log_add(double one, double other) {
    const double most = std::max(one, other);
    return most + std::log1p(std::exp(std::min(one, other) - most));
}

bool are_same(const Path& one, const Path& other) {
    return std::ranges::equal(one.pieces, other.pieces, {}, &EmittedPiece::piece, &EmittedPiece::piece);
}

/// Those with the same pieces, which wait or do not, are one. Likeliest first.
std::vector<Path> merged(std::vector<Path> paths) {
    std::vector<Path> next;
    for (auto& path : paths) {
        const auto same = std::ranges::find_if(
            next, [&](const Path& other) { return path.waits == other.waits && are_same(path, other); });
        if (same == next.end())
            next.push_back(std::move(path));
        else
            same->score = log_add(same->score, path.score);
    }
    std::ranges::stable_sort(next, std::greater<>(), &Path::score);
    return next;
}

}  // namespace

const Path& SearchState::best(std::size_t context) const {
    return *std::ranges::max_element(
        paths, {}, [&](const Path& path) { return path.score / static_cast<double>(path.pieces.size() + context); });
}

std::span<const EmittedPiece> SearchState::agreed() const {
    std::span<const EmittedPiece> common(paths.front().pieces);
    for (const auto& path : paths) {
        const auto differs = std::ranges::mismatch(common, path.pieces).in1;
        common = common.first(static_cast<std::size_t>(differs - common.begin()));
    }
    return common;
}

SearchState TransducerSearch::begin(const CancellableRun& run) {
    SearchState state;
    state.paths.emplace_back();
    decode(state.paths, run);
    return state;
}

void TransducerSearch::advance(SearchState& state, std::span<const float> frames, int most_paths,
                               const CancellableRun& run) {
    const auto width = predictor_.width();
    for (; frames.size() >= width; frames = frames.subspan(width)) {
        if (most_paths <= 1)
            greedy_step(state, frames.first(width), run);
        else
            beam_step(state, frames.first(width), static_cast<std::size_t>(most_paths), run);
        ++state.frames;
    }
}

void TransducerSearch::greedy_step(SearchState& state, std::span<const float> frame, const CancellableRun& run) {
    auto& path = state.paths.front();
    for (int symbol = 0; symbol < most_symbols_; ++symbol) {
        predictor_.join(frame, std::array{path.decoded.get()}, logits_, run);
        const auto best = std::ranges::max_element(logits_);
        const auto piece = static_cast<Piece>(best - logits_.begin());
        if (!is_text(piece)) return;
        const double logprob = *best - log_sum_exp(logits_);
        path.pieces.push_back({piece, state.frames, static_cast<float>(logprob)});
        path.score += logprob;
        path.is_behind = true;
        decode(state.paths, run);
    }
}

void TransducerSearch::beam_step(SearchState& state, std::span<const float> frame, std::size_t most_paths,
                                 const CancellableRun& run) {
    auto paths = std::move(state.paths);
    for (auto& path : paths) path.waits = false;
    for (int symbol = 0; symbol < most_symbols_ && !std::ranges::all_of(paths, &Path::waits); ++symbol) {
        paths = extend(std::move(paths), state, frame, most_paths, run);
        if (symbol + 1 == most_symbols_) {
            for (auto& path : paths) path.waits = true;
            paths = merged(std::move(paths));
        }
        decode(paths, run);
    }
    state.paths = std::move(paths);
}

std::vector<Path> TransducerSearch::extend(std::vector<Path> paths, const SearchState& state,
                                           std::span<const float> frame, std::size_t most_paths,
                                           const CancellableRun& run) {
    decoded_.clear();
    for (const auto& path : paths)
        if (!path.waits) decoded_.push_back(path.decoded.get());
    predictor_.join(frame, decoded_, logits_, run);

    struct Candidate {
        double score;
        double logprob;
        std::size_t from;
        Piece piece;
    };
    const auto vocabulary = predictor_.vocabulary();
    std::vector<Candidate> best;  // likeliest first, at most `most_paths`
    const auto offer = [&](const Candidate& candidate) {
        if (best.size() == most_paths) best.pop_back();
        best.insert(std::ranges::upper_bound(best, candidate.score, std::greater<>(), &Candidate::score), candidate);
    };
    const auto is_good = [&](double score) { return best.size() < most_paths || score > best.back().score; };
    std::size_t next_row = 0;
    for (std::size_t from = 0; from < paths.size(); ++from) {
        const double before = paths[from].score;
        if (paths[from].waits) {
            if (is_good(before)) offer({before, 0, from, blank_});
            continue;
        }
        const auto row = std::span(logits_).subspan(next_row++ * vocabulary, vocabulary);
        const double norm = log_sum_exp(row);
        const auto steps =
            state.hotwords ? state.hotwords->steps(paths[from].phrase) : std::span<const HotwordGraph::Step>{};
        for (std::size_t piece = 0; piece < vocabulary; ++piece) {
            const double logprob = row[piece] - norm;
            const bool counts = !steps.empty() && is_text(static_cast<Piece>(piece));
            const double score = before + logprob + (counts ? steps[piece].bonus : 0.0F);
            if (is_good(score)) offer({score, logprob, from, static_cast<Piece>(piece)});
        }
    }

    std::vector<Path> next;
    for (const auto& [score, logprob, from, piece] : best) {
        Path path = paths[from];
        path.score = score;
        if (!path.waits && is_text(piece)) {
            path.pieces.push_back({piece, state.frames, static_cast<float>(logprob)});
            path.is_behind = true;
            if (state.hotwords) path.phrase = state.hotwords->steps(path.phrase)[static_cast<std::size_t>(piece)].to;
        } else {
            path.waits = true;
        }
        next.push_back(std::move(path));
    }
    return merged(std::move(next));
}

void TransducerSearch::finish(SearchState& state) {
    if (!state.hotwords) return;
    for (auto& path : state.paths) {
        path.score -= state.hotwords->owed(path.phrase);
        path.phrase = HotwordGraph::kRoot;
    }
    std::ranges::stable_sort(state.paths, std::greater<>(), &Path::score);
}

void TransducerSearch::decode(std::span<Path> paths, const CancellableRun& run) {
    const auto context = predictor_.context();
    std::vector<Path*> behind;
    for (auto& path : paths)
        if (path.is_behind) behind.push_back(&path);
    if (behind.empty()) return;
    std::vector<Piece> pieces;
    pieces.reserve(behind.size() * context);
    std::vector<Predictor::Question> questions;
    for (const auto* const path : behind) {
        const auto& said = path->pieces;
        // Before the first piece stands nothing, and before that what is no piece at all.
        for (std::size_t back = context; back > 0; --back) {
            if (back <= said.size())
                pieces.push_back(said[said.size() - back].piece);
            else
                pieces.push_back(back == said.size() + 1 ? blank_ : -1);
        }
        questions.push_back({std::span<const Piece>(pieces).last(context), path->decoded.get()});
    }
    auto made = predictor_.decode(questions, run);
    for (std::size_t i = 0; i < behind.size(); ++i) {
        behind[i]->decoded = std::make_shared<const DecodedText>(std::move(made[i]));
        behind[i]->is_behind = false;
    }
}

}  // namespace hotmic::onnx
