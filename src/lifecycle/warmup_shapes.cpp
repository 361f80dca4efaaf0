#include "lifecycle/warmup_shapes.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "audio/clip.hpp"
#include "hotmic/error.hpp"

namespace hotmic {

Result<std::vector<WarmupShape>> shapes_of(const std::vector<double>& lengths, const audio::Clip& clip) {
    std::vector<WarmupShape> shapes;
    shapes.reserve(lengths.size() + 1);
    for (const double seconds : lengths) {
        auto samples = audio::clip_of_length(seconds, clip);
        if (!samples) return std::unexpected(std::move(samples).error());
        shapes.push_back({seconds, audio::encode_wav(*samples)});
    }
    if (shapes.empty()) shapes.push_back({clip.seconds, clip.encoded});
    std::ranges::sort(shapes, {}, &WarmupShape::seconds);
    return shapes;
}

}  // namespace hotmic
