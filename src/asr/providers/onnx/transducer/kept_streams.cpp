#include "asr/providers/onnx/transducer/kept_streams.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <list>
#include <optional>
#include <utility>

#include "hotmic/units.hpp"
#include "system/mutex.hpp"

namespace hotmic::onnx {

std::optional<KeptStreams::Kept> KeptStreams::take(std::uint64_t number, Samples heard) {
    std::list<Kept> taken;  // freed without the lock
    {
        const Lock lock(mutex_);
        const auto found = std::ranges::find(streams_, number, &Kept::number);
        if (found == streams_.end()) return std::nullopt;
        taken.splice(taken.begin(), streams_, found);
    }
    if (taken.front().stream.samples != samples_in(heard)) return std::nullopt;
    return std::move(taken.front());
}

void KeptStreams::keep(Kept kept) {
    std::list<Kept> fresh;
    fresh.push_back(std::move(kept));
    std::list<Kept> gone;
    const Lock lock(mutex_);
    const auto same = std::ranges::find(streams_, fresh.front().number, &Kept::number);
    if (same != streams_.end()) gone.splice(gone.end(), streams_, same);
    streams_.splice(streams_.begin(), fresh);
    if (streams_.size() > kMost) gone.splice(gone.end(), streams_, std::prev(streams_.end()));
}

}  // namespace hotmic::onnx
