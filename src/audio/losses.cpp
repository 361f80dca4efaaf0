#include "audio/losses.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/units.hpp"

namespace hotmic::audio {
namespace {

/// Time missing between two frames that counts as lost, in seconds. Less is how coarse containers tell time (unless a
/// packet was just lost); more may be a clock that was set anew, as in streams joined from several.
constexpr double kLeastGap = 0.1;
constexpr double kMostGap = 60;
/// A file that ends by more than this before the length it tells has lost something. Encoders pad by less.
constexpr Seconds kLeastMissing(0.2);
/// By how much a timestamp may be over the end that the file tells.
constexpr double kOverEnd = 1;

}  // namespace

Losses::Losses(const Timeline& timeline) : timeline_(timeline), seconds_per_tick_(av_q2d(timeline.time_base)) {}

void Losses::bad_packet() {
    ++bad_packets_;
    packet_lost_ = true;
}

std::size_t Losses::frame(const AVFrame& frame) {
    ++frames_;
    const double least = std::exchange(packet_lost_, false) ? 1.0 / kSampleRate : kLeastGap;
    const double length = static_cast<double>(frame.nb_samples) / std::max(1, frame.sample_rate);
    if (frame.best_effort_timestamp == AV_NOPTS_VALUE) {  // the second frame of a packet, for one
        if (next_time_) *next_time_ += length;
        return 0;
    }
    const double time = static_cast<double>(frame.best_effort_timestamp) * seconds_per_tick_;
    const bool first = !next_time_;
    const double gap = time - next_time_.value_or(timeline_.begins.value_or(time));
    next_time_ = time + length;
    if (!(gap >= (first ? kLeastGap : least) && believable(gap, time))) return 0;
    if (!first) gap_seconds_ += gap;
    return static_cast<std::size_t>(gap * kSampleRate);
}

bool Losses::believable(double gap, double time) const {
    if (gap <= kMostGap) return true;
    // A recorder that was paused, or a track that begins late.
    return !timeline_.clock_may_be_set_anew && time <= timeline_.ends.value_or(time) + kOverEnd;
}

Seconds Losses::left_until(double latest) const {
    const double left = latest - next_time_.value_or(latest);
    return Seconds(left > 0 && left <= kMostGap ? left : 0);
}

void Losses::ended(Seconds decoded, std::optional<Seconds> told) {
    if (told && *told - decoded > kLeastMissing) missing_ = *told - decoded;
}

std::string Losses::describe() const {
    std::vector<std::string> losses;
    if (bad_packets_ > 0) losses.push_back(std::format("{} of {} packets are damaged", bad_packets_, packets_));
    if (gap_seconds_ > 0) losses.push_back(std::format("{:.1f} s are missing within, silent instead", gap_seconds_));
    if (!stopped_by_.empty()) losses.push_back(std::format("the rest cannot be read ({})", stopped_by_));
    if (missing_ > Seconds::zero()) {
        losses.push_back(
            std::format("the audio ends {:.1f} s before the length that the file tells", missing_.count()));
    }
    std::string text;
    for (const auto& loss : losses) text += (text.empty() ? "" : "; ") + loss;
    return text;
}

}  // namespace hotmic::audio
