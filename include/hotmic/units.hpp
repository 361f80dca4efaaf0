/// Units of what is measured. The compiler converts between them and refuses to mix them up.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ratio>

namespace hotmic {

/// Samples per second of all audio inside hotmic.
inline constexpr int kSampleRate = 16000;

/// A length of time, or of audio, with fractions; or a place in audio, from its beginning. What is configured in whole
/// milliseconds is std::chrono::milliseconds, which becomes Seconds by itself.
using Seconds = std::chrono::duration<double>;

/// The same in samples. Becomes Seconds by itself; milliseconds become Samples by themselves.
using Samples = std::chrono::duration<std::int64_t, std::ratio<1, kSampleRate>>;

/// How long `count` samples last.
[[nodiscard]] constexpr Seconds seconds_of(std::size_t count) noexcept {
    return Samples(static_cast<std::int64_t>(count));
}

/// How many samples fit into a length of time, which is not negative.
template <class Rep, class Period>
[[nodiscard]] constexpr std::size_t samples_in(std::chrono::duration<Rep, Period> length) noexcept {
    return static_cast<std::size_t>(std::chrono::duration_cast<Samples>(length).count());
}

/// Of what is told in milliseconds by somebody else.
[[nodiscard]] constexpr Seconds from_ms(double milliseconds) noexcept {
    return std::chrono::duration<double, std::milli>(milliseconds);
}

/// For answers that are told in seconds: `eta.transform(to_s)`.
[[nodiscard]] constexpr double to_s(Seconds time) noexcept {
    return time.count();
}

/// For logs and answers that are told in milliseconds.
[[nodiscard]] constexpr double to_ms(Seconds time) noexcept {
    return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace hotmic
