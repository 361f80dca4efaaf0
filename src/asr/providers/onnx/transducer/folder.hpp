/// A folder with a streaming transducer, in sherpa-onnx's layout: an encoder, a decoder (of text) and a joiner as ONNX
/// files, and tokens.txt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "asr/providers/onnx/fbank.hpp"
#include "asr/providers/onnx/model_check.hpp"
#include "asr/providers/onnx/transducer/pieces.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {

/// One network of the three.
struct TransducerPart {
    std::filesystem::path file{};
    ModelFacts facts{};
};

/// What a network is given back of what it gave, for one stream; all zeros at the beginning.
struct CarriedState {
    int type = kOnnxFloat;              ///< or kOnnxInt64
    std::vector<std::int64_t> shape{};  ///< of one stream
    /// The dimension that streams are along, where the model leaves their number open.
    std::optional<std::size_t> axis{};

    /// Of one stream; SIZE_MAX: more than can be.
    [[nodiscard]] std::size_t bytes() const;
};

enum class TransducerFamily : std::uint8_t {
    /// Zipformer and Zipformer 2. The decoder looks at the last pieces; there is at most one piece a frame.
    icefall,
    /// Fast-conformers that are aware of their cache. The decoder remembers all pieces (LSTM).
    nemo,
};

struct TransducerFolder {
    std::filesystem::path path{};
    std::string name{};  ///< the folder's
    TransducerFamily family = TransducerFamily::icefall;
    std::string model_type{};              ///< "zipformer", "zipformer2" or "nemo"
    std::vector<std::string> languages{};  ///< that the folder's name tells, ISO codes
    TransducerPart encoder{};
    TransducerPart decoder{};
    TransducerPart joiner{};
    Pieces pieces{};
    std::vector<CarriedState> encoder_states{};  ///< the encoder's last inputs, and its last outputs
    std::vector<CarriedState> decoder_states{};  ///< likewise
    FbankKind features = FbankKind::kaldi;
    int bins = 0;           ///< features a frame
    int chunk = 0;          ///< frames of features that the encoder takes at once
    int chunk_shift = 0;    ///< frames it then goes on by
    int subsampling = 0;    ///< frames of features for one of the encoder's
    int context = 0;        ///< pieces the decoder looks back
    int vocabulary = 0;     ///< pieces the joiner tells apart
    Piece blank = 0;        ///< the one that stands for nothing
    int most_symbols = 0;   ///< pieces that one frame may have
    int encoder_width = 0;  ///< of the encoder's output, as the joiner takes it
    int decoder_width = 0;  ///< of the decoder's
    std::string quantization{};

    [[nodiscard]] std::uint64_t size_bytes() const {
        return encoder.facts.size_bytes + decoder.facts.size_bytes + joiner.facts.size_bytes;
    }
    [[nodiscard]] std::uint64_t parameters() const {
        return encoder.facts.parameters + decoder.facts.parameters + joiner.facts.parameters;
    }
};

/// Of all of them, for one stream.
[[nodiscard]] std::uint64_t bytes_of(const std::vector<CarriedState>& states);

/// A folder with a file for a joiner.
[[nodiscard]] bool looks_like_transducer(const std::filesystem::path& path);

/// Checks everything but the weights. `quantize` as in ModelSpec: where a part is there in 8 bits and in floats, "none"
/// takes the floats. Errors: those of Provider::inspect, naming the file; model_unsupported names the model_type;
/// config_invalid for a `quantize` that the folder has no files for.
[[nodiscard]] Result<TransducerFolder> read_transducer_folder(const std::filesystem::path& path,
                                                              const std::string& quantize = {});

}  // namespace hotmic::onnx
