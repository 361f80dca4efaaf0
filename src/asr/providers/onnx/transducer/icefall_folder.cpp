#include <format>
#include <string>
#include <tuple>
#include <utility>

#include "asr/providers/onnx/fbank.hpp"
#include "asr/providers/onnx/model_check.hpp"
#include "asr/providers/onnx/transducer/examination.hpp"
#include "asr/providers/onnx/transducer/families.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {
namespace {

Result<std::string> model_type_of(const TransducerPart& part) {
    const auto type = metadata_text(part, "model_type");
    if (!type) return corrupt(part, "has no metadata \"model_type\"");
    if (type != "zipformer" && type != "zipformer2")
        return unsupported(part, std::format("has the model_type \"{}\"", *type));
    if (const auto feature = metadata_text(part, "feature"); feature && !feature->empty()) {
        return unsupported(part, std::format("has the model_type \"{}\" and is made for {} features", *type, *feature));
    }
    // Some exports of the second kind call themselves the first: the inputs do not lie.
    if (has_input(part, "cached_key_0") && has_input(part, "embed_states")) return "zipformer2";
    if (has_input(part, "cached_len_0")) return "zipformer";
    return unsupported(part, std::format("has the model_type \"{}\", but not the inputs of a streaming one", *type));
}

Result<void> examine_encoder(TransducerFolder& folder) {
    const auto& part = folder.encoder;
    if (auto fine = metadata(part, {{.key = "T", .into = &folder.chunk, .most = 10'000}}); !fine) return fine;
    if (auto fine = metadata(part, {{.key = "decode_chunk_len", .into = &folder.chunk_shift, .most = folder.chunk}});
        !fine)
        return fine;
    auto states = carried_states(part, 1, 1);
    if (!states) return std::unexpected(std::move(states).error());
    folder.encoder_states = *std::move(states);
    const auto& [inputs, outputs] = std::tie(part.facts.inputs, part.facts.outputs);
    if (auto fits = check_value(part, inputs[0], kOnnxFloat, {1, folder.chunk, 0}); !fits) return fits;
    if (auto fits = check_value(part, outputs[0], kOnnxFloat, {1, 0, folder.encoder_width}); !fits) return fits;
    const auto bins = inputs[0].shape[2];
    if (bins < 1 || bins > 256) return corrupt(part, std::format("takes {} features a frame", bins));
    folder.bins = static_cast<int>(bins);
    return {};
}

Result<void> examine_decoder(const TransducerFolder& folder) {
    const auto& part = folder.decoder;
    if (part.facts.inputs.size() != 1)
        return corrupt(part, std::format("has {} inputs in place of one", part.facts.inputs.size()));
    if (part.facts.outputs.empty()) return corrupt(part, "has no output");
    if (auto fits = check_value(part, part.facts.inputs[0], kOnnxInt64, {1, folder.context}); !fits) return fits;
    return check_value(part, part.facts.outputs[0], kOnnxFloat, {1, folder.decoder_width});
}

Result<void> examine_joiner(const TransducerFolder& folder) {
    const auto& part = folder.joiner;
    if (part.facts.inputs.size() != 2 || part.facts.outputs.size() != 1) {
        return corrupt(part, std::format("has {} inputs and {} outputs in place of two and one",
                                         part.facts.inputs.size(), part.facts.outputs.size()));
    }
    for (const auto& input : part.facts.inputs) {
        if (auto fits = check_value(part, input, kOnnxFloat, {1, folder.encoder_width}); !fits) return fits;
    }
    return check_value(part, part.facts.outputs[0], kOnnxFloat, {1, folder.vocabulary});
}

}  // namespace

Result<void> examine_icefall(TransducerFolder& folder) {
    const auto type = model_type_of(folder.encoder);
    if (!type) return std::unexpected(type.error());
    folder.family = TransducerFamily::icefall;
    folder.model_type = *type;
    folder.features = FbankKind::kaldi;
    folder.subsampling = 4;
    folder.blank = 0;
    folder.most_symbols = 1;
    if (auto fine = metadata(folder.joiner, {{.key = "joiner_dim", .into = &folder.encoder_width}}); !fine) return fine;
    folder.decoder_width = folder.encoder_width;
    if (auto fine = examine_encoder(folder); !fine) return fine;
    if (auto fine =
            metadata(folder.decoder, {{.key = "vocab_size", .into = &folder.vocabulary, .least = 2, .most = 1'000'000},
                                      {.key = "context_size", .into = &folder.context, .most = 16}});
        !fine)
        return fine;
    if (auto fine = examine_decoder(folder); !fine) return fine;
    return examine_joiner(folder);
}

}  // namespace hotmic::onnx
