/// What is lost of damaged media: found out while it is decoded, and told in words.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "audio/libav.hpp"
#include "hotmic/units.hpp"

namespace hotmic::audio {

class Losses {
public:
    /// How far the timestamps of a track can be believed.
    struct Timeline {
        AVRational time_base{1, 1};          ///< their unit
        std::optional<double> begins{};      ///< when the earliest track of the file does, if there are several
        std::optional<double> ends{};        ///< when the file says that it does
        bool clock_may_be_set_anew = false;  ///< as in transport streams: a leap need not be time that has passed
    };
    explicit Losses(const Timeline& timeline);

    void packet() { ++packets_; }
    /// The last packet cannot be decoded (or what is left of it).
    void bad_packet();
    /// The container cannot be followed any further, and this is why.
    void stopped(std::string why) { stopped_by_ = std::move(why); }
    /// An intact frame. Returns the samples, at 16 kHz, that are missing before it by its timestamp. Those before the
    /// first, of a track that begins later than others, are no loss.
    [[nodiscard]] std::size_t frame(const AVFrame& frame);
    /// The end, at which `decoded` seconds came of as many as the header told.
    void ended(Seconds decoded, std::optional<Seconds> told);

    /// Seconds from the end of the last frame to `latest`, on the clock of the container; 0 where that is no time that
    /// can have passed.
    [[nodiscard]] Seconds left_until(double latest) const;

    [[nodiscard]] bool any_intact() const { return frames_ > 0; }
    [[nodiscard]] int bad_packets() const { return bad_packets_; }
    /// More was lost than was decoded.
    [[nodiscard]] bool mostly() const { return bad_packets_ > frames_; }
    /// For a person; empty if nothing is lost.
    [[nodiscard]] std::string describe() const;

private:
    [[nodiscard]] bool believable(double gap, double time) const;

    const Timeline timeline_;
    const double seconds_per_tick_;
    int packets_ = 0;
    int bad_packets_ = 0;
    int frames_ = 0;                   ///< intact ones; a packet may hold several
    bool packet_lost_ = false;         ///< since the last intact frame
    std::optional<double> next_time_;  ///< end of the last intact frame, in seconds of the container's clock
    double gap_seconds_ = 0;
    Seconds missing_{};  ///< at the end
    std::string stopped_by_;
};

}  // namespace hotmic::audio
