/// What a folder's networks say of themselves, checked against each other: a file for each family.
#pragma once

#include "asr/providers/onnx/transducer/folder.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {

// Each fills in what the folder's three networks tell. Errors: model_corrupt, model_unsupported, naming the file.

/// icefall's exports describe themselves in the encoder's metadata (model_type, T, decode_chunk_len, …), and by the
/// names of its inputs. The states are the inputs and outputs behind the first, in the same order.
[[nodiscard]] Result<void> examine_icefall(TransducerFolder& folder);

/// NeMo's as sherpa-onnx exports them (scripts/nemo/fast-conformer-hybrid-transducer-ctc): metadata of the encoder
/// (window_size, chunk_shift, subsampling_factor, pred_hidden, cache_last_channel_dim1, …), features and frames
/// transposed with their lengths beside them, three states of the encoder and two of the decoder. What stands for
/// nothing is the last piece.
[[nodiscard]] Result<void> examine_nemo(TransducerFolder& folder);

}  // namespace hotmic::onnx
