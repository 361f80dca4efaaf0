/// The encoder of a streaming transducer: takes a chunk of features and what it remembers, gives frames and remembers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"

namespace hotmic::onnx {

/// What the encoder remembers of one stream. Copying it is what it takes to go on from there twice.
using EncoderState = std::vector<std::byte>;

/// Frames of one chunk: `count` × the encoder's width.
struct EncodedFrames {
    std::vector<float> values{};
    std::size_t count = 0;
};

/// One stream's chunk on its way through the encoder.
struct EncoderRow {
    std::span<const float> features{};  ///< the model's chunk
    EncoderState* state = nullptr;      ///< before, and after
    EncodedFrames* frames = nullptr;    ///< what comes out
    bool finite = true;                 ///< false: it computed numbers that are none, and `state` is as it was
};

/// Streams may share a run: the model leaves their number open, and has no layer that looks at all rows at once (as
/// those do that choose the scale of 8-bit numbers while they compute), so that a row is the same whoever is beside it.
[[nodiscard]] bool takes_rows(const TransducerFolder& folder);

/// Any number of threads at once, each with rows of its own. Throws what the library throws; use within `guarded`.
class StreamingEncoder {
public:
    /// Throws std::runtime_error where the session is not what the folder's files said.
    StreamingEncoder(Ort::Session session, const TransducerFolder& folder);

    /// That of a stream's beginning.
    [[nodiscard]] EncoderState begin() const { return EncoderState(state_bytes_); }

    [[nodiscard]] bool takes_rows() const noexcept { return takes_rows_; }

    /// More than one row only where it takes rows.
    void run(std::span<EncoderRow> rows, const CancellableRun& run) const;

private:
    struct State {
        ONNXTensorElementDataType type;
        std::vector<std::int64_t> shape;  // of one row
        std::size_t axis;                 // that rows are along
        std::size_t offset;               // in an EncoderState
        std::size_t bytes;                // of one row
    };
    static void interleave(const State& state, std::span<EncoderRow> rows, std::span<std::byte> all, bool gather);
    [[nodiscard]] std::vector<float> features_of(std::span<const EncoderRow> rows) const;
    void take_frames(const Ort::Value& output, std::span<EncoderRow> rows) const;

    mutable Ort::Session session_;  // its Run may be called by several threads, but is not const
    std::vector<State> states_;
    const std::size_t chunk_;
    const std::size_t bins_;
    const bool is_transposed_;        // features and frames go along the last dimension, their number is beside them
    std::vector<std::string> names_;  // the inputs', then the outputs'
    std::vector<const char*> inputs_;
    std::vector<const char*> outputs_;
    std::size_t width_;
    std::size_t state_bytes_ = 0;
    bool takes_rows_;
};

}  // namespace hotmic::onnx
