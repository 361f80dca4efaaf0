/// What the names in ONNX exports of Whisper say.
///
/// Exporters keep the names of norms and tables, but turn matrices round and name them by number. So a matrix is known
/// by the path in the name of the node that multiplies with it ("/model/decoder/layers.0/self_attn/k_proj/MatMul");
/// where that has no layer, as in sherpa-onnx's decoder ("/query_3/MatMul"), by how many of its kind came before.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hotmic::onnx {

/// What a node's or tensor's path says of a matrix.
struct MatrixName {
    std::string role{};          ///< as in OpenAI's names: "query", "mlp.0"
    std::optional<int> layer{};  ///< none: the path has none
    bool cross = false;          ///< of the attention to the audio
    int index = 0;               ///< of those of this name: 3 of "key_3"
};

/// None where the path is not of a matrix.
[[nodiscard]] std::optional<MatrixName> matrix_at(std::string_view path);

/// OpenAI's name for a tensor that has kept its own: a norm, a table, a convolution. `side`: "encoder" or "decoder".
/// None for any other.
[[nodiscard]] std::optional<std::string> kept_name(std::string_view tensor, std::string_view side);

/// A whole number that is not negative; none where the text is anything else.
[[nodiscard]] std::optional<int> parse_number(std::string_view text);

}  // namespace hotmic::onnx
