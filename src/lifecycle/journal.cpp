#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "hotmic/journal.hpp"
#include "hotmic/state.hpp"
#include "system/mutex.hpp"

namespace hotmic {

struct Journal::Impl {
    std::size_t capacity = 0;
    mutable Mutex mutex;
    mutable StoppableCondition grown;
    std::deque<Transition> kept HOTMIC_GUARDED_BY(mutex);
    std::uint64_t last HOTMIC_GUARDED_BY(mutex) = 0;

    std::vector<Transition> since(std::uint64_t after) const HOTMIC_REQUIRES(mutex) {
        const auto first = std::ranges::upper_bound(kept, after, {}, &Transition::sequence);
        return {first, kept.end()};
    }
};

Journal::Journal(std::size_t capacity) : impl_(std::make_unique<Impl>()) {
    impl_->capacity = capacity;
}
Journal::~Journal() = default;

std::uint64_t Journal::append(Transition transition) {
    const Lock lock(impl_->mutex);
    transition.sequence = ++impl_->last;
    impl_->kept.push_back(std::move(transition));
    if (impl_->kept.size() > impl_->capacity) impl_->kept.pop_front();
    impl_->grown.notify_all();
    return impl_->last;
}

std::vector<Transition> Journal::since(std::uint64_t after) const {
    const Lock lock(impl_->mutex);
    return impl_->since(after);
}

std::vector<Transition> Journal::wait_since(std::uint64_t after, Deadline deadline, std::stop_token stop) const {
    Lock lock(impl_->mutex);
    impl_->grown.wait_until(lock, stop, deadline, [&] HOTMIC_REQUIRES(impl_->mutex) { return impl_->last > after; });
    return impl_->since(after);
}

std::uint64_t Journal::last_sequence() const {
    const Lock lock(impl_->mutex);
    return impl_->last;
}

}  // namespace hotmic
