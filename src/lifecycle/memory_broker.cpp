#include <format>
#include <mutex>
#include <utility>

#include "hotmic/model_manager.hpp"
#include "lifecycle/memory_info.hpp"

namespace hotmic {

struct MemoryBroker::Impl {
    std::function<std::uint64_t()> available;
    mutable std::mutex mutex;
    std::uint64_t reserved = 0;
};

MemoryBroker::MemoryBroker(std::function<std::uint64_t()> available) : impl_(std::make_unique<Impl>()) {
    impl_->available = available ? std::move(available) : [] { return available_memory(); };
}
MemoryBroker::~MemoryBroker() = default;

Result<MemoryBroker::Reservation> MemoryBroker::reserve(std::uint64_t bytes, std::string_view what) {
    const auto mb = [](std::uint64_t value) { return value >> 20; };
    const std::scoped_lock lock(impl_->mutex);
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
    const std::scoped_lock lock(impl_->mutex);
    return impl_->reserved;
}

MemoryBroker::Reservation::Reservation(Reservation&& other) noexcept
    : broker_(std::exchange(other.broker_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MemoryBroker::Reservation& MemoryBroker::Reservation::operator=(Reservation&& other) noexcept {
    std::swap(broker_, other.broker_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

MemoryBroker::Reservation::~Reservation() {
    settle();
}

void MemoryBroker::Reservation::settle() noexcept {
    if (broker_ == nullptr) return;
    const std::scoped_lock lock(broker_->impl_->mutex);
    broker_->impl_->reserved -= bytes_;
    broker_ = nullptr;
    bytes_ = 0;
}

}  // namespace hotmic
