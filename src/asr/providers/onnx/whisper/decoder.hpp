/// Whisper's decoder as a session, and its state for one slot: tokens in, and out come the logits of what may follow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "asr/providers/onnx/lazy_buffer.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/whisper/encoder.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"

namespace hotmic::onnx {

/// Any number of slots may run it at once.
class Decoder {
public:
    /// Takes the decoder's tensors out of `weights`. Throws.
    Decoder(WhisperWeights& weights, int threads);

    [[nodiscard]] const Dimensions& dimensions() const noexcept { return dimensions_; }
    /// Layers whose queries can be had: those with a head that follows the audio.
    [[nodiscard]] const std::vector<int>& aligned_layers() const noexcept { return aligned_layers_; }

private:
    friend class DecoderState;
    void embed(Token token, int position, float* into) const;

    struct Names {
        std::string past_keys, past_values, keys, values, audio, queries;
    };
    Dimensions dimensions_;
    Tensor tokens_;
    std::vector<float> positions_;
    std::vector<int> aligned_layers_;
    std::vector<Names> names_;
    mutable Ort::Session session_{nullptr};
};

/// What a slot has decoded so far of one window. One thread. Rows are hypotheses that are decoded beside each other
/// over the same audio; most of the time there is one.
class DecoderState {
public:
    explicit DecoderState(const Decoder& decoder);

    /// Forgets everything; one row. `audio` is looked at from now on and must outlive its use.
    void begin(const EncodedAudio& audio);
    [[nodiscard]] int position() const noexcept { return position_; }
    [[nodiscard]] int rows() const noexcept { return rows_; }
    /// Forgets what stands at `position` and behind.
    void truncate(int position) noexcept { position_ = position; }

    /// Makes `rows` rows of the only one.
    void fork(int rows);
    /// Row i goes on from what row `parents[i]` was.
    void reorder(std::span<const int> parents);

    struct Logits {
        std::span<const float> values;  ///< valid until the next call
        std::size_t width;
        [[nodiscard]] std::span<const float> operator[](std::size_t index) const {
            return values.subspan(index * width, width);
        }
    };
    /// Decodes one row's next tokens; logits after those at `wanted` (indices into `tokens`). Throws.
    [[nodiscard]] Logits feed(std::span<const Token> tokens, std::span<const std::int64_t> wanted,
                              const CancellableRun& run);
    /// Decodes the next token of each row; logits for each. Throws.
    [[nodiscard]] Logits step(std::span<const Token> tokens, const CancellableRun& run);
    /// As `feed`, and keeps the queries of the aligned layers for `queries`.
    [[nodiscard]] Logits feed_with_queries(std::span<const Token> tokens, std::span<const std::int64_t> wanted,
                                           const CancellableRun& run);
    /// Of aligned layer number `index`: tokens × width.
    [[nodiscard]] std::span<const float> queries(std::size_t index) const { return queries_[index]; }

private:
    [[nodiscard]] Logits run(std::span<const Token> tokens, int rows, std::span<const std::int64_t> wanted,
                             bool want_queries, const CancellableRun& run);
    [[nodiscard]] std::size_t row_numbers() const;  // of a cache
    void allocate(int rows);

    const Decoder& decoder_;
    const EncodedAudio* audio_ = nullptr;
    Ort::IoBinding binding_;
    int rows_ = 1;
    int position_ = 0;
    std::vector<LazyBuffer> caches_;  // keys and values of each layer: rows × heads × positions × 64
    std::vector<float> embedded_;
    std::vector<float> logits_;
    std::vector<std::vector<float>> queries_;
};

}  // namespace hotmic::onnx
