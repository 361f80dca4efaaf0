#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "asr/providers/onnx/transducer/predictor.hpp"
#include "asr/providers/onnx/transducer/predictor_session.hpp"

namespace hotmic::onnx {
namespace {

class StatelessPredictor final : public Predictor {
public:
    StatelessPredictor(Ort::Session decoder, Ort::Session joiner, const TransducerFolder& folder)
        : Predictor(folder), decoder_(std::move(decoder), folder.decoder), joiner_(std::move(joiner), folder.joiner) {}

    std::vector<DecodedText> decode(std::span<const Question> questions, const CancellableRun& run) const override {
        std::vector<std::int64_t> pieces;
        pieces.reserve(questions.size() * context());
        for (const auto& question : questions) pieces.append_range(question.pieces);
        std::vector<float> made(questions.size() * width());
        const auto at_once = decoder_.takes_rows() ? questions.size() : 1;
        for (std::size_t row = 0; row < questions.size(); row += at_once) {
            const std::array in{rows_over<std::int64_t>(pieces, row, at_once, context())};
            std::array out{rows_over<float>(made, row, at_once, width())};
            decoder_.run(in, out, run);
        }
        check_finite(made, "decoder");
        std::vector<DecodedText> texts;
        for (std::size_t row = 0; row < questions.size(); ++row) {
            const auto own = std::span(made).subspan(row * width(), width());
            texts.push_back({.output = {own.begin(), own.end()}});
        }
        return texts;
    }

    void join(std::span<const float> frame, std::span<const DecodedText* const> decoded, std::vector<float>& into,
              const CancellableRun& run) const override {
        const auto rows = decoded.size();
        into.resize(rows * vocabulary());
        if (rows > 1 && joiner_.takes_rows()) {
            std::vector<float> frames;
            std::vector<float> texts;
            frames.reserve(rows * width());
            texts.reserve(rows * width());
            for (const auto* const text : decoded) {
                frames.append_range(frame);
                texts.append_range(text->output);
            }
            join_rows(frames, texts, into, run);
        } else {
            for (std::size_t row = 0; row < rows; ++row)
                join_rows(frame, decoded[row]->output, std::span(into).subspan(row * vocabulary(), vocabulary()), run);
        }
        check_finite(into, "joiner");
    }

private:
    void join_rows(std::span<const float> frames, std::span<const float> texts, std::span<float> into,
                   const CancellableRun& run) const {
        const auto rows = frames.size() / width();
        const std::array in{rows_over<float>(frames, 0, rows, width()), rows_over<float>(texts, 0, rows, width())};
        std::array out{rows_over<float>(into, 0, rows, vocabulary())};
        joiner_.run(in, out, run);
    }

    template <class T>
    static Ort::Value rows_over(std::span<const T> values, std::size_t first, std::size_t rows, std::size_t width) {
        return tensor_of<T, 2>(values.subspan(first * width, rows * width),
                               {static_cast<std::int64_t>(rows), static_cast<std::int64_t>(width)});
    }

    const PredictorSession decoder_;
    const PredictorSession joiner_;
};

}  // namespace

std::unique_ptr<Predictor> make_stateless_predictor(Ort::Session decoder, Ort::Session joiner,
                                                    const TransducerFolder& folder) {
    return std::make_unique<StatelessPredictor>(std::move(decoder), std::move(joiner), folder);
}

}  // namespace hotmic::onnx
