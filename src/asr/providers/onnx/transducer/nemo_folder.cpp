#include <cstddef>
#include <cstdint>
#include <format>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "asr/providers/onnx/fbank.hpp"
#include "asr/providers/onnx/model_check.hpp"
#include "asr/providers/onnx/transducer/examination.hpp"
#include "asr/providers/onnx/transducer/families.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {
namespace {

constexpr int kMostSymbols = 10;  // as NeMo itself
constexpr int kEncoderStates = 3;

/// Sizes of what is carried, as the metadata says: the networks may leave them open.
struct Sizes {
    int channel[3]{};  // of what attention looks back at: layers, frames, width
    int time[3]{};     // of what convolutions look back at: layers, width, frames
    int layers = 0;    // of the decoder's LSTM
    int hidden = 0;
};

/// Gives `state` the sizes that the metadata has, where its own agree. `axis`: along which streams are, or may be.
Result<void> settle(const TransducerPart& part, const ModelValue& value, CarriedState& state, int type,
                    const std::vector<std::int64_t>& sizes, std::size_t axis) {
    if (auto fits = check_value(part, value, type, sizes); !fits) return fits;
    state.shape = sizes;
    state.axis = value.shape[axis] < 0 ? std::optional(axis) : std::nullopt;
    return {};
}

Result<void> examine_encoder(TransducerFolder& folder, const Sizes& sizes) {
    const auto& part = folder.encoder;
    const auto& [inputs, outputs] = std::tie(part.facts.inputs, part.facts.outputs);
    if (inputs.size() == 2) return unsupported(part, "hears audio whole, and not as it comes");
    if (has_input(part, "prompt_index")) return unsupported(part, "is to be told a language by a prompt_index");
    auto states = carried_states(part, 2, 2);
    if (!states) return std::unexpected(std::move(states).error());
    if (states->size() != kEncoderStates)
        return corrupt(part, std::format("has {} states in place of three", states->size()));
    const std::vector<std::vector<std::int64_t>> shapes{{1, sizes.channel[0], sizes.channel[1], sizes.channel[2]},
                                                        {1, sizes.time[0], sizes.time[1], sizes.time[2]},
                                                        {1}};
    for (std::size_t i = 0; i < states->size(); ++i) {
        const int type = i == 2 ? kOnnxInt64 : kOnnxFloat;
        if (auto fits = settle(part, inputs[2 + i], (*states)[i], type, shapes[i], 0); !fits) return fits;
    }
    folder.encoder_states = *std::move(states);
    if (auto fits = check_value(part, inputs[0], kOnnxFloat, {1, 0, folder.chunk}); !fits) return fits;
    if (auto fits = check_value(part, inputs[1], kOnnxInt64, {1}); !fits) return fits;
    if (auto fits = check_value(part, outputs[0], kOnnxFloat, {1, folder.encoder_width, 0}); !fits) return fits;
    if (auto fits = check_value(part, outputs[1], kOnnxInt64, {1}); !fits) return fits;
    const auto bins = inputs[0].shape[1];
    if (bins < 1 || bins > 256) return corrupt(part, std::format("takes {} features a frame", bins));
    folder.bins = static_cast<int>(bins);
    return {};
}

Result<void> examine_decoder(TransducerFolder& folder, const Sizes& sizes) {
    const auto& part = folder.decoder;
    const auto& [inputs, outputs] = std::tie(part.facts.inputs, part.facts.outputs);
    if (inputs.size() != 4 || outputs.size() != 4) {
        return corrupt(
            part, std::format("has {} inputs and {} outputs in place of four each", inputs.size(), outputs.size()));
    }
    if (auto fits = check_value(part, inputs[0], kOnnxInt32, {1, 1}); !fits) return fits;
    if (auto fits = check_value(part, inputs[1], kOnnxInt32, {1}); !fits) return fits;
    auto states = carried_states(part, 2, 2);
    if (!states) return std::unexpected(std::move(states).error());
    for (std::size_t i = 0; i < states->size(); ++i) {
        if (auto fits = settle(part, inputs[2 + i], (*states)[i], kOnnxFloat, {sizes.layers, 1, sizes.hidden}, 1);
            !fits)
            return fits;
    }
    folder.decoder_states = *std::move(states);
    return check_value(part, outputs[0], kOnnxFloat, {1, folder.decoder_width, 1});
}

/// Its widths are those of what it takes.
Result<void> examine_joiner(TransducerFolder& folder, const Sizes& sizes) {
    const auto& part = folder.joiner;
    const auto& inputs = part.facts.inputs;
    if (inputs.size() != 2 || part.facts.outputs.size() != 1) {
        return corrupt(part, std::format("has {} inputs and {} outputs in place of two and one", inputs.size(),
                                         part.facts.outputs.size()));
    }
    for (const auto& input : inputs) {
        if (auto fits = check_value(part, input, kOnnxFloat, {1, 0, 1}); !fits) return fits;
    }
    const auto width = [](const ModelValue& input, int otherwise) {
        return input.shape[1] > 0 && input.shape[1] <= 65'536 ? static_cast<int>(input.shape[1]) : otherwise;
    };
    folder.encoder_width = width(inputs[0], sizes.channel[2]);
    folder.decoder_width = width(inputs[1], sizes.hidden);
    const auto& output = part.facts.outputs[0];
    if (output.type != kOnnxFloat || output.shape.empty() ||
        (output.shape.back() >= 0 && output.shape.back() != folder.vocabulary))
        return corrupt(part, std::format("does not tell {} pieces apart", folder.vocabulary));
    return {};
}

}  // namespace

Result<void> examine_nemo(TransducerFolder& folder) {
    const auto& part = folder.encoder;
    folder.family = TransducerFamily::nemo;
    folder.model_type = "nemo";
    folder.features = FbankKind::nemo;
    folder.context = 1;
    folder.most_symbols = kMostSymbols;
    if (const auto kind = metadata_text(folder.decoder, "streaming_model_type"); kind && !kind->empty())
        return unsupported(part, std::format("has the streaming_model_type \"{}\"", *kind));
    if (const auto kind = metadata_text(part, "normalize_type"); kind && !kind->empty() && *kind != "NA") {
        return unsupported(
            part, std::format("wants features that are normalized (\"{}\"), which takes all of the audio", *kind));
    }
    if (!has_input(part, "cache_last_channel")) return unsupported(part, "hears audio whole, and not as it comes");
    Sizes sizes;
    if (auto fine = metadata(part, {{.key = "window_size", .into = &folder.chunk, .most = 10'000},
                                    {.key = "subsampling_factor", .into = &folder.subsampling, .most = 64},
                                    {.key = "vocab_size", .into = &folder.vocabulary, .most = 999'999},
                                    {.key = "cache_last_channel_dim1", .into = &sizes.channel[0]},
                                    {.key = "cache_last_channel_dim2", .into = &sizes.channel[1]},
                                    {.key = "cache_last_channel_dim3", .into = &sizes.channel[2]},
                                    {.key = "cache_last_time_dim1", .into = &sizes.time[0]},
                                    {.key = "cache_last_time_dim2", .into = &sizes.time[1]},
                                    {.key = "cache_last_time_dim3", .into = &sizes.time[2]},
                                    {.key = "pred_rnn_layers", .into = &sizes.layers, .most = 64},
                                    {.key = "pred_hidden", .into = &sizes.hidden}});
        !fine)
        return fine;
    if (auto fine = metadata(part, {{.key = "chunk_shift", .into = &folder.chunk_shift, .most = folder.chunk}}); !fine)
        return fine;
    folder.blank = folder.vocabulary++;  // the metadata does not count it
    if (auto fine = examine_joiner(folder, sizes); !fine) return fine;
    if (auto fine = examine_encoder(folder, sizes); !fine) return fine;
    return examine_decoder(folder, sizes);
}

}  // namespace hotmic::onnx
