#include <algorithm>
#include <cstdint>
#include <format>
#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/memory_broker.hpp"
#include "lifecycle/memory_info.hpp"
#include "system/mutex.hpp"

namespace hotmic {

struct MemoryBroker::Impl {
    std::function<std::uint64_t()> available;
    int parallel_loads = 0;
    mutable Mutex mutex;
    StoppableCondition turn_ended;
    std::uint64_t reserved HOTMIC_GUARDED_BY(mutex) = 0;
    int turns HOTMIC_GUARDED_BY(mutex) = 0;  // taken
};

MemoryBroker::MemoryBroker(std::function<std::uint64_t()> available, int parallel_loads)
    : impl_(std::make_unique<Impl>()) {
    impl_->parallel_loads = parallel_loads;
    impl_->available = available ? std::move(available) : [] { return available_memory(); };
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

Result<MemoryBroker::Reservation> MemoryBroker::reserve(std::uint64_t bytes, std::string_view what) {
    const auto mb = [](std::uint64_t value) { return value >> 20; };
    const Lock lock(impl_->mutex);
    const auto available = impl_->available();
    const auto left = available - std::min(available, impl_->reserved);
    if (bytes > left) {
        return fail(
            ErrorCode::insufficient_memory,
            std::format("{} needs {} MB and {} MB are available{}", what, mb(bytes), mb(left),
                        impl_->reserved ? std::format(" ({} MB are promised to other loads)", mb(impl_->reserved))
                                        : std::string{}),
            "use a smaller or more quantised model, fewer slots, or raise the memory limit");
    }
    impl_->reserved += bytes;
    return Reservation(this, bytes);
}

std::uint64_t MemoryBroker::available() const {
    return impl_->available();
}

std::uint64_t MemoryBroker::reserved() const {
    const Lock lock(impl_->mutex);
    return impl_->reserved;
}

MemoryBroker::Reservation::Reservation(Reservation&& other) noexcept
    : broker_(std::exchange(other.broker_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      whole_(std::exchange(other.whole_, 0)) {}

MemoryBroker::Reservation& MemoryBroker::Reservation::operator=(Reservation&& other) noexcept {
    std::swap(broker_, other.broker_);
    std::swap(bytes_, other.bytes_);
    std::swap(whole_, other.whole_);
    return *this;
}

MemoryBroker::Reservation::~Reservation() {
    settle();
}

void MemoryBroker::Reservation::note_resident(std::uint64_t bytes) noexcept {
    if (broker_ == nullptr) return;
    const Lock lock(broker_->impl_->mutex);
    const auto left = whole_ - std::min(whole_, bytes);
    broker_->impl_->reserved -= bytes_;
    broker_->impl_->reserved += left;
    bytes_ = left;
}

void MemoryBroker::Reservation::settle() noexcept {
    note_resident(whole_);
    broker_ = nullptr;
}

}  // namespace hotmic
