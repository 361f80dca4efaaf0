/// One count of all bytes that the server holds for its clients, whatever they are: parts of requests, uploads,
/// messages that are not complete, answers that are not read.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace hotmic::http {

/// Thread-safe. The last eighth, 4 MiB at most, is kept for what is always answered: probes.
class Budget {
public:
    enum class For : std::uint8_t { anything, probes };

    explicit Budget(std::size_t most) : Budget(most, std::min(most / 8, kMostKept)) {}
    /// `kept`: what is for probes only.
    Budget(std::size_t most, std::size_t kept) : most_(most), most_of_anything_(most - kept) {}
    Budget(const Budget&) = delete;
    Budget& operator=(const Budget&) = delete;

    [[nodiscard]] std::size_t held() const noexcept { return held_; }
    [[nodiscard]] std::size_t most() const noexcept { return most_; }
    /// Times that there was no room.
    [[nodiscard]] std::uint64_t refusals() const noexcept { return refusals_; }

    /// What one owner holds; given back when destroyed. The budget must outlive it. One thread at a time.
    class Share {
    public:
        Share() = default;
        explicit Share(Budget& budget, For purpose = For::anything) : budget_(&budget), purpose_(purpose) {}
        Share(Share&& other) noexcept
            : budget_(std::exchange(other.budget_, nullptr)),
              purpose_(other.purpose_),
              size_(std::exchange(other.size_, 0)) {}
        Share& operator=(Share&& other) noexcept {
            std::swap(budget_, other.budget_);
            std::swap(purpose_, other.purpose_);
            std::swap(size_, other.size_);
            return *this;
        }
        ~Share() { shrink(size_); }

        /// False, and nothing taken, where there is no room for so many more bytes.
        [[nodiscard]] bool grow(std::size_t bytes) noexcept {
            if (budget_ == nullptr) return true;
            if (!budget_->take(bytes, purpose_)) return false;
            size_ += bytes;
            return true;
        }
        /// Grows even where there is no room: for what was taken already and is about to be ended.
        void insist(std::size_t bytes) noexcept {
            if (budget_ == nullptr) return;
            budget_->held_ += bytes;
            size_ += bytes;
        }
        void shrink(std::size_t bytes) noexcept {
            if (budget_ == nullptr) return;
            budget_->held_ -= bytes;
            size_ -= bytes;
        }
        /// To exactly so many bytes; false as of `grow`.
        [[nodiscard]] bool resize(std::size_t bytes) noexcept {
            if (bytes > size_) return grow(bytes - size_);
            shrink(size_ - bytes);
            return true;
        }
        [[nodiscard]] std::size_t size() const noexcept { return size_; }

    private:
        Budget* budget_ = nullptr;
        For purpose_ = For::anything;
        std::size_t size_ = 0;
    };

private:
    bool take(std::size_t bytes, For purpose) noexcept {
        const auto most = purpose == For::probes ? most_ : most_of_anything_;
        auto held = held_.load();
        do {
            if (bytes > most || held > most - bytes) {
                ++refusals_;
                return false;
            }
        } while (!held_.compare_exchange_weak(held, held + bytes));
        return true;
    }

    static constexpr std::size_t kMostKept = 4u << 20;

    const std::size_t most_;
    const std::size_t most_of_anything_;
    std::atomic<std::size_t> held_{0};
    std::atomic<std::uint64_t> refusals_{0};
};

}  // namespace hotmic::http
