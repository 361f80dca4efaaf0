/// The lengths of audio that a model is warmed up with.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "audio/clip.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

/// Audio of one length, encoded as a client would send it.
struct WarmupShape {
    Seconds length{};
    std::shared_ptr<const std::vector<std::byte>> encoded;
};

/// The clip in each of these lengths, shortest first; as it is where there are none.
[[nodiscard]] Result<std::vector<WarmupShape>> shapes_of(const std::vector<Seconds>& lengths, const audio::Clip& clip);

}  // namespace hotmic
