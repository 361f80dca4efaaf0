#include "lifecycle/warmup_shapes.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "audio/clip.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

Result<std::vector<WarmupShape>> shapes_of(const std::vector<Seconds>& lengths, const audio::Clip& clip) {
    std::vector<WarmupShape> shapes;
    shapes.reserve(lengths.size() + 1);
    for (const auto length : lengths) {
        auto samples = audio::clip_of_length(length, clip);
        if (!samples) return std::unexpected(std::move(samples).error());
        shapes.push_back({length, audio::encode_wav(*samples)});
    }
    if (shapes.empty()) shapes.push_back({clip.length, clip.encoded});
    std::ranges::sort(shapes, {}, &WarmupShape::length);
    return shapes;
}

}  // namespace hotmic
