/// Everything of a loaded transducer that its slots share.
#pragma once

#include <memory>

#include "asr/providers/onnx/transducer/encoder.hpp"
#include "asr/providers/onnx/transducer/encoder_batches.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "asr/providers/onnx/transducer/kept_streams.hpp"
#include "asr/providers/onnx/transducer/predictor.hpp"
#include "hotmic/model_info.hpp"

namespace hotmic::onnx {

struct TransducerEngine {
    ModelSpec spec;
    ModelInfo info;
    TransducerFolder folder;
    StreamingEncoder encoder;
    std::unique_ptr<Predictor> predictor;
    int lanes = 1;  ///< runs of the encoder side by side that do not take the processors from each other
    EncoderBatches batches{encoder, lanes};
    KeptStreams kept{};
};

}  // namespace hotmic::onnx
