#include "asr/providers/onnx/half_kernels.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hotmic::onnx {
namespace {

void portable_dot(const float* query, const Half* rows, std::size_t stride, std::size_t count, float* products) {
    for (std::size_t i = 0; i < count; ++i) {
        float sum = 0;
        for (std::size_t j = 0; j < kHeadWidth; ++j) sum += query[j] * from_half(rows[i * stride + j]);
        products[i] = sum;
    }
}

void portable_sum(const float* weights, const Half* rows, std::size_t stride, std::size_t count, float* sum) {
    std::memset(sum, 0, kHeadWidth * sizeof(float));
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < kHeadWidth; ++j) sum[j] += weights[i] * from_half(rows[i * stride + j]);
    }
}

constexpr HalfKernels kPortable{portable_dot, portable_sum};

#if defined(__x86_64__)

[[gnu::target("avx512f")]] void wide_dot(const float* query, const Half* rows, std::size_t stride, std::size_t count,
                                         float* products) {
    const __m512 q0 = _mm512_loadu_ps(query);
    const __m512 q1 = _mm512_loadu_ps(query + 16);
    const __m512 q2 = _mm512_loadu_ps(query + 32);
    const __m512 q3 = _mm512_loadu_ps(query + 48);
    for (std::size_t i = 0; i < count; ++i) {
        const auto* row = reinterpret_cast<const __m256i*>(rows + i * stride);
        auto a = _mm512_mul_ps(q0, _mm512_cvtph_ps(_mm256_loadu_si256(row)));
        auto b = _mm512_mul_ps(q1, _mm512_cvtph_ps(_mm256_loadu_si256(row + 1)));
        a = _mm512_fmadd_ps(q2, _mm512_cvtph_ps(_mm256_loadu_si256(row + 2)), a);
        b = _mm512_fmadd_ps(q3, _mm512_cvtph_ps(_mm256_loadu_si256(row + 3)), b);
        products[i] = _mm512_reduce_add_ps(_mm512_add_ps(a, b));
    }
}

[[gnu::target("avx512f")]] void wide_sum(const float* weights, const Half* rows, std::size_t stride, std::size_t count,
                                         float* sum) {
    auto a = _mm512_setzero_ps();
    auto b = a;
    auto c = a;
    auto d = a;
    for (std::size_t i = 0; i < count; ++i) {
        const auto weight = _mm512_set1_ps(weights[i]);
        const auto* row = reinterpret_cast<const __m256i*>(rows + i * stride);
        a = _mm512_fmadd_ps(weight, _mm512_cvtph_ps(_mm256_loadu_si256(row)), a);
        b = _mm512_fmadd_ps(weight, _mm512_cvtph_ps(_mm256_loadu_si256(row + 1)), b);
        c = _mm512_fmadd_ps(weight, _mm512_cvtph_ps(_mm256_loadu_si256(row + 2)), c);
        d = _mm512_fmadd_ps(weight, _mm512_cvtph_ps(_mm256_loadu_si256(row + 3)), d);
    }
    _mm512_storeu_ps(sum, a);
    _mm512_storeu_ps(sum + 16, b);
    _mm512_storeu_ps(sum + 32, c);
    _mm512_storeu_ps(sum + 48, d);
}

constexpr std::size_t kLanes = 8;  // of the 256-bit registers

[[gnu::target("avx2,fma,f16c")]] void middle_dot(const float* query, const Half* rows, std::size_t stride,
                                                 std::size_t count, float* products) {
    for (std::size_t i = 0; i < count; ++i) {
        const auto* row = reinterpret_cast<const __m128i*>(rows + i * stride);
        auto a = _mm256_setzero_ps();
        auto b = a;
        for (std::size_t j = 0; j < kHeadWidth / kLanes; j += 2) {
            a = _mm256_fmadd_ps(_mm256_loadu_ps(query + j * kLanes), _mm256_cvtph_ps(_mm_loadu_si128(row + j)), a);
            b = _mm256_fmadd_ps(_mm256_loadu_ps(query + (j + 1) * kLanes),
                                _mm256_cvtph_ps(_mm_loadu_si128(row + j + 1)), b);
        }
        a = _mm256_add_ps(a, b);
        auto half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
        half = _mm_add_ps(half, _mm_movehl_ps(half, half));
        products[i] = _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
    }
}

[[gnu::target("avx2,fma,f16c")]] void middle_sum(const float* weights, const Half* rows, std::size_t stride,
                                                 std::size_t count, float* sum) {
    __m256 sums[kHeadWidth / kLanes];
    for (auto& each : sums) each = _mm256_setzero_ps();
    for (std::size_t i = 0; i < count; ++i) {
        const auto weight = _mm256_set1_ps(weights[i]);
        const auto* row = reinterpret_cast<const __m128i*>(rows + i * stride);
        for (std::size_t j = 0; j < kHeadWidth / kLanes; ++j)
            sums[j] = _mm256_fmadd_ps(weight, _mm256_cvtph_ps(_mm_loadu_si128(row + j)), sums[j]);
    }
    for (std::size_t j = 0; j < kHeadWidth / kLanes; ++j) _mm256_storeu_ps(sum + j * kLanes, sums[j]);
}

constexpr HalfKernels kMiddle{middle_dot, middle_sum};
constexpr HalfKernels kWide{wide_dot, wide_sum};

#endif

}  // namespace

float from_half(Half bits) noexcept {
    const std::uint32_t sign = (bits & 0x8000U) << 16U;
    const std::uint32_t rest = bits & 0x7FFFU;
    if (rest >= 0x7C00U) return std::bit_cast<float>(sign | 0x7F800000U | (rest & 0x3FFU) << 13U);  // no finite number
    // A factor moves the exponent to where it belongs, for numbers below the normal ones too.
    const float magnitude = std::bit_cast<float>(rest << 13U) * 0x1p112F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
}

const HalfKernels& portable_half_kernels() noexcept {
    return kPortable;
}

const HalfKernels& half_kernels() noexcept {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") != 0) return kWide;
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
        __builtin_cpu_supports("f16c") != 0)
        return kMiddle;
#endif
    return kPortable;
}

}  // namespace hotmic::onnx
