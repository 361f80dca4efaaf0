#include "asr/providers/onnx/cross_attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>
#include <span>
#include <vector>

#include "asr/providers/onnx/graph_builder.hpp"
#include "asr/providers/onnx/half_kernels.hpp"

namespace hotmic::onnx {
namespace {

constexpr float kScale = 0.125F;  // 1 / √64
/// Work, in products of heads and frames, from which another thread's waking pays.
constexpr std::size_t kWorthThreads = 2048;

struct Work {
    const float* queries;
    const Half* audio;
    float* attended;
    std::size_t rows;
    std::size_t width;
    std::size_t frames;
};

void attend(const Work& work, std::size_t head) {
    thread_local std::vector<float> weights;
    weights.resize(work.frames);
    const auto stride = 2 * work.width;
    const auto* keys = work.audio + head * kHeadWidth;
    const auto* values = keys + work.width;
    for (std::size_t row = 0; row < work.rows; ++row) {
        const auto at = row * work.width + head * kHeadWidth;
        attention_weights({work.queries + at, kHeadWidth}, keys, stride, weights);
        half_kernels().weighted_sum(weights.data(), values, stride, work.frames, work.attended + at);
    }
}

class Kernel {
public:
    OrtStatusPtr ComputeV2(OrtKernelContext* raw) {
        try {
            const Ort::KernelContext context(raw);
            const auto queries = context.GetInput(0);
            const auto audio = context.GetInput(1);
            const auto shape = queries.GetTensorTypeAndShapeInfo().GetShape();
            const auto audio_shape = audio.GetTensorTypeAndShapeInfo().GetShape();
            auto attended = context.GetOutput(0, shape);
            Work work{.queries = queries.GetTensorData<float>(),
                      .audio = reinterpret_cast<const Half*>(audio.GetTensorRawData()),
                      .attended = attended.GetTensorMutableData<float>(),
                      .rows = static_cast<std::size_t>(shape[0] * shape[1]),
                      .width = static_cast<std::size_t>(shape[2]),
                      .frames = static_cast<std::size_t>(audio_shape[1])};
            const auto heads = work.width / kHeadWidth;
            if (heads * work.frames * work.rows < kWorthThreads) {
                for (std::size_t head = 0; head < heads; ++head) attend(work, head);
            } else {
                context.ParallelFor([](void* data, std::size_t head) { attend(*static_cast<Work*>(data), head); },
                                    heads, 0, &work);
            }
        } catch (const std::exception& problem) {
            return Ort::Status(problem.what(), ORT_FAIL).release();
        }
        return nullptr;
    }
};

struct Operator : Ort::CustomOpBase<Operator, Kernel, true> {
    OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo*, void** kernel) const {
        *kernel = new Kernel;  // NOLINT(cppcoreguidelines-owning-memory): the library deletes it by the base's function
        return nullptr;
    }
    [[nodiscard]] const char* GetName() const { return kCrossAttention; }
    [[nodiscard]] std::size_t GetInputTypeCount() const { return 2; }
    [[nodiscard]] ONNXTensorElementDataType GetInputType(std::size_t index) const {
        return index == 0 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
    }
    [[nodiscard]] std::size_t GetOutputTypeCount() const { return 1; }
    [[nodiscard]] ONNXTensorElementDataType GetOutputType(std::size_t) const {
        return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    }
    static OrtStatusPtr InferOutputShape(Ort::ShapeInferContext& context) {
        return context.SetOutputShape(0, context.GetInputShape(0)).release();
    }
};

}  // namespace

void attention_weights(std::span<const float> query, const Half* keys, std::size_t stride, std::span<float> weights) {
    half_kernels().dot(query.data(), keys, stride, weights.size(), weights.data());
    const float most = std::ranges::max(weights);
    float sum = 0;
    for (auto& weight : weights) {
        weight = std::exp((weight - most) * kScale);
        sum += weight;
    }
    const float factor = 1 / sum;
    for (auto& weight : weights) weight *= factor;
}

Ort::CustomOpDomain& our_operators() {
    static Operator made;
    static Ort::CustomOpDomain domain = [] {
        Ort::CustomOpDomain ours(kOurDomain);
        ours.Add(&made);
        return ours;
    }();
    return domain;
}

}  // namespace hotmic::onnx
