/// A decoder or a joiner, as predictors run them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"

namespace hotmic::onnx {

/// Any number of threads at once.
class PredictorSession {
public:
    /// Throws std::runtime_error where the session is not what the file said.
    PredictorSession(Ort::Session session, const TransducerPart& part);

    /// Several at once.
    [[nodiscard]] bool takes_rows() const noexcept { return takes_rows_; }

    /// The first outputs into `out`, as many as it has; null values are allocated.
    void run(std::span<const Ort::Value> in, std::span<Ort::Value> out, const CancellableRun& run) const;

private:
    mutable Ort::Session session_;    // its Run may be called by several threads, but is not const
    std::vector<std::string> names_;  // the inputs', then the outputs'
    std::vector<const char*> inputs_;
    std::vector<const char*> outputs_;
    bool takes_rows_ = true;
};

/// Values as a tensor; the library takes inputs as memory it might write to, and does not.
template <class T, std::size_t Rank>
[[nodiscard]] Ort::Value tensor_of(std::span<const T> values, const std::array<std::int64_t, Rank>& shape) {
    return Ort::Value::CreateTensor<T>(cpu_memory(), const_cast<T*>(values.data()), values.size(), shape.data(), Rank);
}

/// Throws std::runtime_error where one of them is not.
void check_finite(std::span<const float> values, const char* what);

}  // namespace hotmic::onnx
