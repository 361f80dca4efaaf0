#include "asr/providers/onnx/whisper/alignment.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "asr/providers/onnx/cross_attention.hpp"
#include "asr/providers/onnx/half_kernels.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/whisper/decoder.hpp"
#include "asr/providers/onnx/whisper/encoder.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {
namespace {

constexpr Seconds kFrame(0.02);
constexpr std::size_t kMedian = 7;  // frames

/// Each value becomes the median of those around it, mirrored at the ends.
void median_filter(std::span<float> values) {
    constexpr std::size_t kHalf = kMedian / 2;
    if (values.size() <= kHalf) return;
    const std::vector<float> from(values.begin(), values.end());
    const auto count = static_cast<std::ptrdiff_t>(from.size());
    std::array<float, kMedian> around{};
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < kMedian; ++j) {
            auto at = i + static_cast<std::ptrdiff_t>(j) - static_cast<std::ptrdiff_t>(kHalf);
            if (at < 0) at = -at;
            if (at >= count) at = 2 * (count - 1) - at;
            around[j] = from[static_cast<std::size_t>(at)];
        }
        std::ranges::nth_element(around, around.begin() + kHalf);
        values[static_cast<std::size_t>(i)] = around[kHalf];
    }
}

/// In each column: mean 0, standard deviation 1.
void normalize_columns(std::span<float> weights, std::size_t rows, std::size_t columns) {
    for (std::size_t column = 0; column < columns; ++column) {
        double sum = 0;
        double squares = 0;
        for (std::size_t row = 0; row < rows; ++row) {
            const double value = weights[row * columns + column];
            sum += value;
            squares += value * value;
        }
        const double mean = sum / static_cast<double>(rows);
        const double deviation = std::sqrt(std::max(1e-12, squares / static_cast<double>(rows) - mean * mean));
        for (std::size_t row = 0; row < rows; ++row) {
            auto& value = weights[row * columns + column];
            value = static_cast<float>((value - mean) / deviation);
        }
    }
}

}  // namespace

std::vector<std::size_t> warp(std::span<const float> cost, std::size_t rows, std::size_t columns) {
    enum class Step : std::uint8_t { both, down, right };
    const auto wide = columns + 1;
    std::vector<float> sum((rows + 1) * wide, std::numeric_limits<float>::infinity());
    std::vector<Step> steps((rows + 1) * wide, Step::both);
    sum[0] = 0;
    for (std::size_t row = 1; row <= rows; ++row) {
        for (std::size_t column = 1; column <= columns; ++column) {
            const float both = sum[(row - 1) * wide + column - 1];
            const float down = sum[(row - 1) * wide + column];
            const float right = sum[row * wide + column - 1];
            const auto step = both < down && both < right   ? Step::both
                              : down < both && down < right ? Step::down
                                                            : Step::right;
            const float least = step == Step::both ? both : step == Step::down ? down : right;
            sum[row * wide + column] = cost[(row - 1) * columns + column - 1] + least;
            steps[row * wide + column] = step;
        }
    }
    std::vector<std::size_t> first(rows, 0);
    for (std::size_t row = rows, column = columns; row > 0 && column > 0;) {
        first[row - 1] = column - 1;
        const auto step = steps[row * wide + column];
        if (step != Step::right) --row;
        if (step != Step::down) --column;
    }
    return first;
}

std::vector<Seconds> token_times(DecoderState& state, const EncodedAudio& audio, const Decoder& decoder,
                                 std::span<const std::pair<int, int>> heads, std::span<const Token> steering,
                                 std::span<const Token> text, Token end, Seconds length, const CancellableRun& run) {
    std::vector<Token> tokens(steering.begin(), steering.end());
    tokens.append_range(text);
    tokens.push_back(end);
    const std::array<std::int64_t, 1> last{static_cast<std::int64_t>(tokens.size()) - 1};
    state.begin(audio);
    (void)state.feed_with_queries(tokens, last, run);

    const auto width = static_cast<std::size_t>(audio.width());
    const auto columns =
        static_cast<std::size_t>(std::clamp(static_cast<int>(std::ceil(length / kFrame)), 1, audio.frames()));
    const auto rows = tokens.size();
    std::vector<float> mean(rows * columns, 0);
    std::vector<float> weights(rows * columns);
    for (const auto& [layer, head] : heads) {
        const auto index = std::ranges::find(decoder.aligned_layers(), layer) - decoder.aligned_layers().begin();
        const auto queries = state.queries(static_cast<std::size_t>(index));
        const auto* keys = audio.layer(layer) + static_cast<std::size_t>(head) * kHeadWidth;
        for (std::size_t row = 0; row < rows; ++row) {
            attention_weights(queries.subspan(row * width + static_cast<std::size_t>(head) * kHeadWidth, kHeadWidth),
                              keys, 2 * width, std::span(weights).subspan(row * columns, columns));
        }
        normalize_columns(weights, rows, columns);
        for (std::size_t row = 0; row < rows; ++row) median_filter(std::span(weights).subspan(row * columns, columns));
        for (std::size_t i = 0; i < mean.size(); ++i) mean[i] -= weights[i];
    }
    // What a token looks at is where the next one is said: the rows from the last that steers on.
    const auto first = steering.size() - 1;
    const auto path =
        warp(std::span(mean).subspan(first * columns, (text.size() + 1) * columns), text.size() + 1, columns);
    std::vector<Seconds> times;
    times.reserve(path.size());
    for (const auto column : path) times.push_back(std::min(length, static_cast<double>(column) * kFrame));
    return times;
}

}  // namespace hotmic::onnx
