#include "asr/providers/onnx/transducer/predictor_session.hpp"

#include <algorithm>
#include <cmath>
#include <format>
#include <span>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"

namespace hotmic::onnx {

PredictorSession::PredictorSession(Ort::Session session, const TransducerPart& part) : session_(std::move(session)) {
    const auto& [inputs, outputs] = std::tie(part.facts.inputs, part.facts.outputs);
    if (session_.GetInputCount() != inputs.size() || session_.GetOutputCount() != outputs.size())
        throw std::runtime_error(part.file.string() + " has other inputs and outputs than it says");
    for (const auto& input : inputs) takes_rows_ = takes_rows_ && input.shape[0] < 0;
    for (const auto& input : inputs) names_.push_back(input.name);
    for (const auto& output : outputs) names_.push_back(output.name);
    for (const auto& name : names_) (inputs_.size() < inputs.size() ? inputs_ : outputs_).push_back(name.c_str());
}

void PredictorSession::run(std::span<const Ort::Value> in, std::span<Ort::Value> out, const CancellableRun& run) const {
    session_.Run(run.options(), inputs_.data(), in.data(), in.size(), outputs_.data(), out.data(), out.size());
}

void check_finite(std::span<const float> values, const char* what) {
    if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); }))
        throw std::runtime_error(std::format("the {} computed a number that is not finite", what));
}

}  // namespace hotmic::onnx
