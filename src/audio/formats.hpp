/// Which formats are taken: an allow-list, for libav knows hundreds that nobody sends and few have looked at.
#pragma once

#include <string>

#include "audio/libav.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"

namespace hotmic::audio {

/// The lists as libav takes them. Does not change.
class Formats {
public:
    /// Empty lists stand for what people record and send with.
    explicit Formats(const MediaFormats& wanted = {});

    /// Comma-separated names of containers.
    [[nodiscard]] const std::string& containers() const noexcept { return containers_; }
    /// Comma-separated names of decoders, of the codecs that are taken.
    [[nodiscard]] const std::string& decoders() const noexcept { return decoders_; }

    [[nodiscard]] bool takes(const AVInputFormat& container) const;
    [[nodiscard]] bool takes(const AVCodec& codec) const;

private:
    std::string containers_;
    std::string decoders_;
};

/// Whether libav here has what is wanted, and it is safe to take: no container that names other files, no codec that is
/// not of audio. Errors: config_invalid, with the key.
[[nodiscard]] Result<void> check(const MediaFormats& wanted);

}  // namespace hotmic::audio
