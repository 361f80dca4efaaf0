/// Memory and turns, shared by all loads of a process.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

/// What loads have to share: memory, promised to those that are under way, so that two never count the same gigabyte;
/// and turns, so that no more of them run at once than are allowed. Shared by all managers of a process.
class MemoryBroker {
public:
    /// `parallel_loads` at once, at most; 0: any number. `available` tells how much could be had right now; by
    /// default the least of MemAvailable, what is left under the cgroup's limit (v1 or v2), and RLIMIT_AS/DATA's rest.
    explicit MemoryBroker(std::function<Bytes()> available = {}, int parallel_loads = 0);
    /// With the machine's own memory.
    explicit MemoryBroker(int parallel_loads) : MemoryBroker({}, parallel_loads) {}
    ~MemoryBroker();

    /// A claim on memory; returns it when destroyed.
    class Reservation {
    public:
        Reservation() = default;
        /// Made by `reserve`.
        Reservation(MemoryBroker* broker, Bytes size) : broker_(broker), claimed_(size), at_first_(size) {}
        /// The other one claims nothing afterwards.
        Reservation(Reservation&& other) noexcept;
        /// Returns what this one claimed.
        Reservation& operator=(Reservation&& other) noexcept;
        ~Reservation();
        /// What is still claimed.
        [[nodiscard]] Bytes claimed() const noexcept { return claimed_; }
        /// So much of the model is resident by now: that shows in what is available by itself, so only the rest is
        /// still claimed.
        void note_resident(Bytes size) noexcept;
        /// All of it is.
        void settle() noexcept;

    private:
        MemoryBroker* broker_ = nullptr;
        Bytes claimed_;
        Bytes at_first_;  // what it claimed when it was made
    };

    /// Gives a turn back when the last copy is destroyed.
    using Turn = std::shared_ptr<void>;
    /// Waits until fewer than `parallel_loads` others have a turn; null when `stop` is requested before.
    [[nodiscard]] Turn wait_turn(const std::stop_token& stop);

    /// Errors: insufficient_memory, with what is needed and what is available.
    [[nodiscard]] Result<Reservation> reserve(Bytes size, std::string_view what);
    /// What could be had now, without what is promised.
    [[nodiscard]] Bytes available() const;
    /// What is promised.
    [[nodiscard]] Bytes reserved() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic
