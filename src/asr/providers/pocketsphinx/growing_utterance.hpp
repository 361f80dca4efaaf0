/// An utterance that is heard as it grows: each time the decoder goes on where it was.
#pragma once

#include <pocketsphinx.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hotmic::pocketsphinx {

/// Decodes incrementally. The engine normalises an utterance that it does not have whole by a mean that it is given, so
/// this measures the mean of what has been heard, and begins the utterance anew with it whenever the one in use has
/// turned out to be far from it. It begins anew only once there is half as much again since the last time: all decoding
/// together is at most four times the utterance, and usually less than two.
///
/// Not thread-safe. What it says depends on nothing but the audio of the utterance and how that was parted.
class GrowingUtterance {
public:
    /// `decoder` outlives this, and is not used by others between `hear` and `let_go`.
    explicit GrowingUtterance(ps_decoder_t& decoder) : decoder_(decoder) {}

    /// The words of `pcm` so far. Goes on where it was when `pcm` begins with what it had the last time. False: the
    /// engine failed.
    [[nodiscard]] bool hear(std::span<const std::int16_t> pcm);

    /// Samples that the engine has been given for this utterance, those it was given again included.
    [[nodiscard]] std::uint64_t decoded() const noexcept { return decoded_; }

    /// Gives the decoder back as it was.
    void let_go();

private:
    using Mean = std::vector<double>;

    [[nodiscard]] bool is_continued_by(std::span<const std::int16_t> pcm) const;
    [[nodiscard]] bool begin(const Mean& mean, std::span<const std::int16_t> pcm);
    [[nodiscard]] bool go_on(std::span<const std::int16_t> pcm);
    [[nodiscard]] Mean measured() const;

    ps_decoder_t& decoder_;
    bool open_ = false;
    std::vector<std::int16_t> heard_;
    std::size_t begun_with_ = 0;  // samples there were when it was begun the last time
    std::uint64_t decoded_ = 0;
    Mean used_;
};

}  // namespace hotmic::pocketsphinx
