/// The two inner loops of attention over keys and values held as 16-bit floats, in the best form this processor has.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hotmic::onnx {

/// Width of an attention head, in numbers. Every published Whisper model has it.
inline constexpr std::size_t kHeadWidth = 64;

/// IEEE 754 binary16, as its bits.
using Half = std::uint16_t;

/// Rows are `kHeadWidth` numbers at `rows + i * stride`.
struct HalfKernels {
    /// products[i] = query · row i.
    void (*dot)(const float* query, const Half* rows, std::size_t stride, std::size_t count, float* products);
    /// sum[0..64) = Σ weights[i] × row i.
    void (*weighted_sum)(const float* weights, const Half* rows, std::size_t stride, std::size_t count, float* sum);
};

/// Chosen once by what the processor supports.
[[nodiscard]] const HalfKernels& half_kernels() noexcept;

/// What every processor can do; for tests to compare with.
[[nodiscard]] const HalfKernels& portable_half_kernels() noexcept;

/// The number that `bits` stand for.
[[nodiscard]] float from_half(Half bits) noexcept;

}  // namespace hotmic::onnx
