#include <format>
#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/units.hpp"
#include "system/memory.hpp"
#include "system/mutex.hpp"

namespace hotmic {

struct MemoryBroker::Impl {
    std::function<Bytes()> available;
    int parallel_loads = 0;
    mutable Mutex mutex;
    StoppableCondition turn_ended;
    Bytes reserved HOTMIC_GUARDED_BY(mutex);
    int turns HOTMIC_GUARDED_BY(mutex) = 0;  // taken
};

MemoryBroker::MemoryBroker(std::function<Bytes()> available, int parallel_loads) : impl_(std::make_unique<Impl>()) {
    impl_->parallel_loads = parallel_loads;
    impl_->available = available ? std::move(available) : [] { return system::available_memory(); };
}
MemoryBroker::~MemoryBroker() = default;

MemoryBroker::Turn MemoryBroker::wait_turn(const std::stop_token& stop) {
    Lock lock(impl_->mutex);
    const auto free = [this] HOTMIC_REQUIRES(impl_->mutex) {
        return impl_->parallel_loads == 0 || impl_->turns < impl_->parallel_loads;
    };
    if (!impl_->turn_ended.wait(lock, stop, free)) return nullptr;
    ++impl_->turns;
    return {this, [](MemoryBroker* broker) {
                const Lock ending(broker->impl_->mutex);
                --broker->impl_->turns;
                broker->impl_->turn_ended.notify_one();
            }};
}

Result<MemoryBroker::Reservation> MemoryBroker::reserve(Bytes size, std::string_view what) {
    const Lock lock(impl_->mutex);
    const auto left = impl_->available() - impl_->reserved;
    if (size > left) {
        return fail(
            ErrorCode::insufficient_memory,
            std::format("{} needs {} MB and {} MB are available{}", what, to_mb(size), to_mb(left),
                        impl_->reserved ? std::format(" ({} MB are promised to other loads)", to_mb(impl_->reserved))
                                        : std::string{}),
            "use a smaller or more quantised model, fewer slots, or raise the memory limit");
    }
    impl_->reserved += size;
    return Reservation(this, size);
}

Bytes MemoryBroker::available() const {
    return impl_->available();
}

Bytes MemoryBroker::reserved() const {
    const Lock lock(impl_->mutex);
    return impl_->reserved;
}

MemoryBroker::Reservation::Reservation(Reservation&& other) noexcept
    : broker_(std::exchange(other.broker_, nullptr)),
      claimed_(std::exchange(other.claimed_, {})),
      at_first_(std::exchange(other.at_first_, {})) {}

MemoryBroker::Reservation& MemoryBroker::Reservation::operator=(Reservation&& other) noexcept {
    std::swap(broker_, other.broker_);
    std::swap(claimed_, other.claimed_);
    std::swap(at_first_, other.at_first_);
    return *this;
}

MemoryBroker::Reservation::~Reservation() {
    settle();
}

void MemoryBroker::Reservation::note_resident(Bytes size) noexcept {
    if (broker_ == nullptr) return;
    const Lock lock(broker_->impl_->mutex);
    const auto left = at_first_ - size;
    broker_->impl_->reserved -= claimed_;
    broker_->impl_->reserved += left;
    claimed_ = left;
}

void MemoryBroker::Reservation::settle() noexcept {
    note_resident(at_first_);
    broker_ = nullptr;
}

}  // namespace hotmic
