/// Where speech begins and ends, from frames that hold a voice or do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace hotmic {

/// Speech has begun when most of the last frames hold a voice, and has ended when almost none of `silence_frames` does.
/// Pure: counts frames, knows no time.
class Endpointer {
public:
    enum class Change : std::uint8_t { none, started, stopped };

    static constexpr std::size_t kOnsetFrames = 8;  ///< those that decide whether speech has begun: 240 ms

    explicit Endpointer(std::size_t silence_frames) : silence_frames_(silence_frames) {}

    [[nodiscard]] Change take(bool voice);

    [[nodiscard]] bool in_speech() const noexcept { return in_speech_; }
    /// The first frame with a voice of what started last.
    [[nodiscard]] std::uint64_t started_at() const noexcept { return started_at_; }
    /// The frame after the last one with a voice.
    [[nodiscard]] std::uint64_t voice_until() const noexcept { return voice_until_; }

    /// Ends the speech that is open, because somebody else says so.
    void reset() noexcept;

private:
    static constexpr std::size_t kOnsetVoices = 5;  // of them
    static constexpr std::size_t kStrayEvery = 10;  // one frame in so many may be a click and not a voice

    std::size_t silence_frames_;
    std::deque<bool> recent_;  // the last frames, newest last
    std::uint64_t frames_ = 0;
    std::uint64_t started_at_ = 0;
    std::uint64_t voice_until_ = 0;
    bool in_speech_ = false;
};

}  // namespace hotmic
