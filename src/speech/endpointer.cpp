#include "speech/endpointer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace hotmic {

Endpointer::Change Endpointer::take(bool voice) {
    recent_.push_back(voice);
    ++frames_;
    const auto kept = in_speech_ ? silence_frames_ : kOnsetFrames;
    while (recent_.size() > kept) recent_.pop_front();
    const auto voices = static_cast<std::size_t>(std::ranges::count(recent_, true));

    if (!in_speech_) {
        if (voices < kOnsetVoices) return Change::none;
        in_speech_ = true;
        const auto first = std::ranges::find(recent_, true) - recent_.begin();
        started_at_ = frames_ - recent_.size() + static_cast<std::uint64_t>(first);
        voice_until_ = frames_;
        return Change::started;
    }
    // A stray frame does not prolong the speech: two in a row do.
    if (voice && recent_.size() > 1 && recent_[recent_.size() - 2]) voice_until_ = frames_;
    if (recent_.size() < silence_frames_ || voices > silence_frames_ / kStrayEvery) return Change::none;
    reset();
    return Change::stopped;
}

void Endpointer::reset() noexcept {
    in_speech_ = false;
    recent_.clear();
}

}  // namespace hotmic
