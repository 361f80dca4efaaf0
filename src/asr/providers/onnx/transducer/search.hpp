/// The search for the likeliest pieces, frame by frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "asr/providers/onnx/transducer/hotword_graph.hpp"
#include "asr/providers/onnx/transducer/pieces.hpp"
#include "asr/providers/onnx/transducer/predictor.hpp"

namespace hotmic::onnx {

/// A piece, and the frame that made it likelier than nothing.
struct EmittedPiece {
    Piece piece = 0;
    std::int32_t frame = 0;  ///< from 0, of the encoder's
    float logprob = 0;       ///< given the pieces before it, nothing included

    friend bool operator==(const EmittedPiece&, const EmittedPiece&) = default;
};

/// What was said, perhaps.
struct Path {
    std::vector<EmittedPiece> pieces{};
    double score = 0;                                 ///< log probability, and what hot words give
    HotwordGraph::Node phrase = HotwordGraph::kRoot;  ///< how much of a hot word was said
    std::shared_ptr<const DecodedText> decoded{};     ///< of its pieces
    bool is_behind = true;                            ///< `decoded` knows nothing of the last of them
    bool waits = false;                               ///< for the next frame
};

/// A search on its way. Copying it is what it takes to go on from there twice.
struct SearchState {
    std::vector<Path> paths{};                 ///< likeliest first
    std::int32_t frames = 0;                   ///< heard so far
    std::shared_ptr<HotwordGraph> hotwords{};  ///< null: none; a search with one path knows none

    /// The likeliest for its length: longer ones have had more to lose.
    [[nodiscard]] const Path& best(std::size_t context) const;
    /// What all paths begin with: no more audio changes that.
    [[nodiscard]] std::span<const EmittedPiece> agreed() const;
};

/// Modified beam search (icefall's: a bounded number of pieces a frame, paths with the same pieces are one); with one
/// path that is greedy search. One thread at a time.
class TransducerSearch {
public:
    /// What stands for nothing, and `folder`'s unknown piece, are never emitted. `predictor` outlives this.
    TransducerSearch(const Predictor& predictor, const TransducerFolder& folder)
        : predictor_(predictor),
          blank_(folder.blank),
          unknown_(folder.pieces.unknown()),
          most_symbols_(folder.most_symbols) {}

    [[nodiscard]] SearchState begin(const CancellableRun& run);
    /// Nothing follows: hot words that were only begun give nothing.
    static void finish(SearchState& state);
    /// Goes on with `frames` (rows of the predictor's width), keeping at most `most_paths`.
    void advance(SearchState& state, std::span<const float> frames, int most_paths, const CancellableRun& run);

private:
    [[nodiscard]] bool is_text(Piece piece) const { return piece != blank_ && piece != unknown_; }
    void greedy_step(SearchState& state, std::span<const float> frame, const CancellableRun& run);
    void beam_step(SearchState& state, std::span<const float> frame, std::size_t most_paths, const CancellableRun& run);
    /// Each path takes one more piece, or waits: the likeliest of all that may be.
    [[nodiscard]] std::vector<Path> extend(std::vector<Path> paths, const SearchState& state,
                                           std::span<const float> frame, std::size_t most_paths,
                                           const CancellableRun& run);
    /// Has the decoder look at the last pieces of all paths that it is behind of.
    void decode(std::span<Path> paths, const CancellableRun& run);

    const Predictor& predictor_;
    const Piece blank_;
    const std::optional<Piece> unknown_;
    const int most_symbols_;
    std::vector<const DecodedText*> decoded_;  // memory that is used again
    std::vector<float> logits_;
};

}  // namespace hotmic::onnx
