/// The audio of one track of one container, decoded packet by packet; silence up to the end of longer tracks beside it,
/// where the container tells that.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "audio/budget.hpp"
#include "audio/container.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic::audio {

class MediaSource final : public AudioSource {
public:
    /// `budget`: the one that the container was opened with. `channel`: as in TrackChoice. The first audio is decoded
    /// here. Errors: those of open_media.
    [[nodiscard]] static Result<std::unique_ptr<MediaSource>> open(std::unique_ptr<Container> container,
                                                                   std::shared_ptr<Budget> budget, Seconds max_length,
                                                                   std::optional<int> channel);
    ~MediaSource() override;

    Result<std::size_t> read(std::span<float> out) override;
    [[nodiscard]] std::optional<Seconds> duration_hint() const override;
    [[nodiscard]] std::string damage() const override;
    [[nodiscard]] std::optional<AudioTrack> track() const override;

private:
    class Impl;
    explicit MediaSource(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic::audio
