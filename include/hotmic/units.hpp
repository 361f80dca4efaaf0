/// Units of what is measured. The compiler converts between them and refuses to mix them up.
#pragma once

#include <chrono>
#include <concepts>
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

/// An amount of memory, or of a file. Numbers become Bytes and Bytes become numbers only where that is said.
class Bytes {
public:
    /// None.
    constexpr Bytes() noexcept = default;
    /// That many, which are not fewer than none.
    template <std::integral Integer>
    constexpr explicit Bytes(Integer count) noexcept : count_(static_cast<std::uint64_t>(count)) {}

    /// For what has no units: files, wires, other libraries.
    [[nodiscard]] constexpr std::uint64_t count() const noexcept { return count_; }

    /// There are some.
    constexpr explicit operator bool() const noexcept { return count_ != 0; }

    /// More of them.
    constexpr Bytes& operator+=(Bytes more) noexcept { return *this = *this + more; }
    /// What is left, as `-` says.
    constexpr Bytes& operator-=(Bytes fewer) noexcept { return *this = *this - fewer; }

    /// Both together.
    [[nodiscard]] friend constexpr Bytes operator+(Bytes some, Bytes more) noexcept {
        return Bytes(some.count_ + more.count_);
    }
    /// What is left: none where `fewer` are more than `some`.
    [[nodiscard]] friend constexpr Bytes operator-(Bytes some, Bytes fewer) noexcept {
        return fewer.count_ < some.count_ ? Bytes(some.count_ - fewer.count_) : Bytes();
    }
    /// Several of the same size.
    template <std::integral Integer>
    [[nodiscard]] friend constexpr Bytes operator*(Bytes each, Integer times) noexcept {
        return Bytes(each.count_ * static_cast<std::uint64_t>(times));
    }
    /// One of several parts, rounded down; `parts` is not 0.
    template <std::integral Integer>
    [[nodiscard]] friend constexpr Bytes operator/(Bytes all, Integer parts) noexcept {
        return Bytes(all.count_ / static_cast<std::uint64_t>(parts));
    }
    /// How many times `other` they are; `other` is not none.
    [[nodiscard]] friend constexpr double operator/(Bytes some, Bytes other) noexcept {
        return static_cast<double>(some.count_) / static_cast<double>(other.count_);
    }
    /// By how many they are.
    [[nodiscard]] friend constexpr auto operator<=>(Bytes, Bytes) noexcept = default;

private:
    std::uint64_t count_ = 0;
};

/// For limits that are said in words: `mebibytes(512)`.
[[nodiscard]] constexpr Bytes mebibytes(std::uint64_t count) noexcept {
    return Bytes(count << 20U);
}

/// Whole mebibytes, for logs and messages.
[[nodiscard]] constexpr std::uint64_t to_mb(Bytes size) noexcept {
    return size.count() >> 20U;
}

}  // namespace hotmic
