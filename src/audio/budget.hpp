/// What decoding one file may cost.
///
/// libav does as it is told by the file, and a file may tell it to work for ever: to look for a page that never comes,
/// to go from table to table. So whoever asks libav for something does it under a `Budget::Spending`, and libav's
/// reading and the loop over packets ask now and then whether anything is left. Cost is processor time of the thread
/// that decodes and time that passes while it does; what passes between two reads of the audio is nobody's. A file
/// earns more of both by the audio that comes out of it. Until the first of that comes, the bytes that are read count
/// as well.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic::audio {

/// What to do with a file that costs too much.
inline constexpr const char* kConvertCostly =
    "the file is damaged or made to cost much: convert it, e.g. ffmpeg -i FILE -ac 1 speech.flac";

/// Used by one thread at a time, as the source it belongs to.
class Budget {
public:
    explicit Budget(const DecodeLimits& limits) : limits_(limits) {}
    Budget(const Budget&) = delete;
    Budget& operator=(const Budget&) = delete;

    /// The time while one exists is paid for. They may nest; the outermost counts.
    class Spending {
    public:
        explicit Spending(Budget& budget);
        ~Spending();
        Spending(const Spending&) = delete;
        Spending& operator=(const Spending&) = delete;

    private:
        Budget& budget_;
    };

    /// Those that the request takes.
    [[nodiscard]] const MediaFormats& formats() const noexcept { return limits_.formats; }

    /// libav has been given so many bytes more.
    void read(std::size_t bytes) noexcept { unheard_bytes_ += bytes; }
    /// So many seconds of audio have come out of it in all.
    [[nodiscard]] Seconds earned() const noexcept { return earned_; }
    void earned(Seconds audio) noexcept {
        earned_ = audio;
        if (audio > Seconds::zero()) unheard_bytes_ = 0;
    }

    /// Looks at the clocks, which costs half a microsecond. Once it has failed it goes on failing the same way.
    /// Errors: audio_too_costly, cancelled.
    [[nodiscard]] Result<void> check();
    /// What `check` found last.
    [[nodiscard]] const std::optional<Error>& exceeded() const noexcept { return exceeded_; }

private:
    struct Cost {
        std::chrono::nanoseconds cpu{};
        std::chrono::nanoseconds wall{};
    };
    [[nodiscard]] static Cost now();
    [[nodiscard]] Cost spent() const;

    const DecodeLimits limits_;
    Cost before_{};  // of all spendings that are over
    Cost began_{};   // of the present one
    int spendings_ = 0;
    Seconds earned_{};
    std::size_t unheard_bytes_ = 0;
    std::optional<Error> exceeded_;
};

}  // namespace hotmic::audio
