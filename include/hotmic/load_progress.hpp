/// How far a load is.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "hotmic/units.hpp"

namespace hotmic {

/// How far a load is. Written by the loading thread, read by any; every change counts as a sign of life.
class LoadProgress {
public:
    /// How far it was at one moment.
    struct Snapshot {
        Bytes done{};              ///< read so far
        Bytes total{};             ///< none: not known yet
        std::uint64_t beats = 0;   ///< grows with every report; unchanged for `stall_timeout` means a hang
        bool downloading = false;  ///< the bytes are those of a download
        /// Of the download, as it goes.
        double bytes_per_second = 0;

        /// What is done of all, 0 to 1; empty while that is not known.
        [[nodiscard]] std::optional<double> fraction() const noexcept {
            return total ? std::optional(std::min(done, total) / total) : std::nullopt;
        }
    };

    /// `instance` is the id of the load under way: engines put it into their log lines.
    explicit LoadProgress(std::string instance = {}) : instance_(std::move(instance)) {}
    /// The id it was made with.
    [[nodiscard]] const std::string& instance() const noexcept { return instance_; }

    /// So much of so much is read. `total` none: not known yet.
    void report(Bytes done, Bytes total) noexcept {
        done_.store(done, std::memory_order_relaxed);
        total_.store(total, std::memory_order_relaxed);
        beats_.fetch_add(1, std::memory_order_release);
    }
    /// The same of a download, which comes before anything is read.
    void report_download(Bytes done, Bytes total) noexcept {
        const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
        if (!downloading_.exchange(true)) {
            download_began_.store(now, std::memory_order_relaxed);
            download_from_.store(done, std::memory_order_relaxed);
        }
        report(done, total);
    }
    /// It is all here; reading begins.
    void downloaded() noexcept {
        downloading_.store(false);
        report({}, {});
    }
    /// A sign of life without bytes (building buffers, opening a slot).
    void beat() noexcept { beats_.fetch_add(1, std::memory_order_release); }

    /// How far it is now.
    [[nodiscard]] Snapshot snapshot() const noexcept {
        const auto beats = beats_.load(std::memory_order_acquire);
        Snapshot now{done_.load(std::memory_order_relaxed), total_.load(std::memory_order_relaxed), beats,
                     downloading_.load()};
        if (!now.downloading) return now;
        const Seconds took = std::chrono::steady_clock::now().time_since_epoch() -
                             std::chrono::steady_clock::duration(download_began_.load());
        const auto from = download_from_.load(std::memory_order_relaxed);
        if (now.done > from && took > Seconds::zero())
            now.bytes_per_second = static_cast<double>((now.done - from).count()) / took.count();
        return now;
    }

private:
    const std::string instance_;
    std::atomic<Bytes> done_{};
    std::atomic<Bytes> total_{};
    std::atomic<std::uint64_t> beats_{0};
    std::atomic<bool> downloading_{false};
    std::atomic<std::chrono::steady_clock::rep> download_began_{0};
    std::atomic<Bytes> download_from_{};
};

}  // namespace hotmic
