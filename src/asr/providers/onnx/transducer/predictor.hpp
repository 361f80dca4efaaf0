/// The decoder and the joiner of a transducer: which piece comes next, given those before it and one frame of audio.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "asr/providers/onnx/transducer/pieces.hpp"

namespace hotmic::onnx {

/// What the decoder makes of a path's pieces.
struct DecodedText {
    std::vector<float> output{};
    std::vector<float> memory{};  ///< what a decoder that remembers goes on from
};

/// Any number of threads at once. Its functions throw what the library throws; use within `guarded`.
class Predictor {
public:
    virtual ~Predictor() = default;
    Predictor(const Predictor&) = delete;
    Predictor& operator=(const Predictor&) = delete;

    /// Pieces that the decoder is to be told at once.
    [[nodiscard]] std::size_t context() const noexcept { return context_; }
    /// Of a frame.
    [[nodiscard]] std::size_t width() const noexcept { return width_; }
    [[nodiscard]] std::size_t vocabulary() const noexcept { return vocabulary_; }

    /// A path whose last `context()` pieces are `pieces`; before the last of them it was `before` (null: at its
    /// beginning).
    struct Question {
        std::span<const Piece> pieces;
        const DecodedText* before;
    };
    [[nodiscard]] virtual std::vector<DecodedText> decode(std::span<const Question> questions,
                                                          const CancellableRun& run) const = 0;

    /// Logits for one frame, of `width()`, after each of `decoded`: rows of `vocabulary()` into `into`. They are
    /// finite.
    virtual void join(std::span<const float> frame, std::span<const DecodedText* const> decoded,
                      std::vector<float>& into, const CancellableRun& run) const = 0;

protected:
    explicit Predictor(const TransducerFolder& folder)
        : context_(static_cast<std::size_t>(folder.context)),
          width_(static_cast<std::size_t>(folder.encoder_width)),
          vocabulary_(static_cast<std::size_t>(folder.vocabulary)) {}

private:
    const std::size_t context_;
    const std::size_t width_;
    const std::size_t vocabulary_;
};

/// icefall's: a decoder that looks at the last pieces. Throws std::runtime_error where the sessions are not what the
/// folder's files said, as the next one does.
[[nodiscard]] std::unique_ptr<Predictor> make_stateless_predictor(Ort::Session decoder, Ort::Session joiner,
                                                                  const TransducerFolder& folder);
/// NeMo's: a decoder that remembers all pieces.
[[nodiscard]] std::unique_ptr<Predictor> make_recurrent_predictor(Ort::Session decoder, Ort::Session joiner,
                                                                  const TransducerFolder& folder);

}  // namespace hotmic::onnx
