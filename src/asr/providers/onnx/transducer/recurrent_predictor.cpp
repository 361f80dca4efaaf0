#include <array>
#include <cstddef>
#include <cstdint>
#include <format>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "asr/providers/onnx/transducer/pieces.hpp"
#include "asr/providers/onnx/transducer/predictor.hpp"
#include "asr/providers/onnx/transducer/predictor_session.hpp"

namespace hotmic::onnx {
namespace {

/// One path at a time: what the networks make of several at once may depend on who is beside whom, where they choose
/// the scale of 8-bit numbers while they compute.
class RecurrentPredictor final : public Predictor {
public:
    RecurrentPredictor(Ort::Session decoder, Ort::Session joiner, const TransducerFolder& folder)
        : Predictor(folder),
          decoder_(std::move(decoder), folder.decoder),
          joiner_(std::move(joiner), folder.joiner),
          states_(folder.decoder_states),
          text_width_(static_cast<std::size_t>(folder.decoder_width)) {}

    std::vector<DecodedText> decode(std::span<const Question> questions, const CancellableRun& run) const override {
        std::vector<DecodedText> texts;
        for (const auto& [pieces, before] : questions) texts.push_back(decode(pieces.back(), before, run));
        return texts;
    }

    void join(std::span<const float> frame, std::span<const DecodedText* const> decoded, std::vector<float>& into,
              const CancellableRun& run) const override {
        into.clear();
        const std::array frame_shape{std::int64_t{1}, static_cast<std::int64_t>(width()), std::int64_t{1}};
        const std::array text_shape{std::int64_t{1}, static_cast<std::int64_t>(text_width_), std::int64_t{1}};
        for (const auto* const text : decoded) {
            const std::array in{tensor_of<float>(frame, frame_shape), tensor_of<float>(text->output, text_shape)};
            std::array out{Ort::Value(nullptr)};
            joiner_.run(in, out, run);
            into.append_range(values_of(out[0], vocabulary(), "joiner"));
        }
    }

private:
    DecodedText decode(Piece last, const DecodedText* before, const CancellableRun& run) const {
        const std::array piece{last};
        const std::array length{std::int32_t{1}};
        const std::vector<float> nothing(before == nullptr ? memory_size() : 0);
        std::span<const float> memory = before == nullptr ? nothing : before->memory;
        std::vector<Ort::Value> in;
        std::vector<Ort::Value> out;
        in.push_back(tensor_of<std::int32_t, 2>(piece, {1, 1}));
        in.push_back(tensor_of<std::int32_t, 1>(length, {1}));
        out.emplace_back(nullptr);
        out.emplace_back(nullptr);  // the length again
        for (const auto& state : states_) {
            const auto values = state.bytes() / sizeof(float);
            in.push_back(tensor_of<float, 3>(memory.first(values), {state.shape[0], state.shape[1], state.shape[2]}));
            memory = memory.subspan(values);
            out.emplace_back(nullptr);
        }
        decoder_.run(in, out, run);
        const auto output = values_of(out[0], text_width_, "decoder");
        DecodedText text{.output = {output.begin(), output.end()}};
        for (std::size_t i = 0; i < states_.size(); ++i)
            text.memory.append_range(values_of(out[2 + i], states_[i].bytes() / sizeof(float), "decoder"));
        return text;
    }

    static std::span<const float> values_of(const Ort::Value& value, std::size_t count, const char* what) {
        if (value.GetTensorTypeAndShapeInfo().GetElementCount() != count)
            throw std::runtime_error(std::format("the {} gave numbers of another shape than its file says", what));
        const std::span values(value.GetTensorData<float>(), count);
        check_finite(values, what);
        return values;
    }

    [[nodiscard]] std::size_t memory_size() const { return bytes_of(states_) / sizeof(float); }

    const PredictorSession decoder_;
    const PredictorSession joiner_;
    const std::vector<CarriedState> states_;
    const std::size_t text_width_;
};

}  // namespace

std::unique_ptr<Predictor> make_recurrent_predictor(Ort::Session decoder, Ort::Session joiner,
                                                    const TransducerFolder& folder) {
    return std::make_unique<RecurrentPredictor>(std::move(decoder), std::move(joiner), folder);
}

}  // namespace hotmic::onnx
