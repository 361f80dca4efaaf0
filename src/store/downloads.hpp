/// All downloads of a process, whoever asked for them: what is under way, and what has been.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/catalogue.hpp"
#include "store/library.hpp"
#include "store/pull.hpp"
#include "system/mutex.hpp"

namespace hotmic::store {

/// How fast bytes come, since the source changed last.
class Rate {
public:
    using Clock = std::chrono::steady_clock;

    void hear(const PullProgress& now, Clock::time_point at = Clock::now());
    /// Bytes a second; 0 while there is nothing to say.
    [[nodiscard]] double bytes_per_second() const noexcept { return rate_; }
    /// Until all is here; nothing where size or rate are not known.
    [[nodiscard]] std::optional<Seconds> eta() const noexcept { return eta_; }

private:
    std::string from_{};
    Bytes at_first_;
    Clock::time_point began_{};
    double rate_ = 0;
    std::optional<Seconds> eta_{};
};

/// Any thread.
class Downloads {
public:
    struct UnderWay {
        std::string model;
        PullProgress progress{};
        double bytes_per_second = 0;
        std::optional<Seconds> eta{};
        std::chrono::system_clock::time_point began{};
    };
    /// Since the process began.
    struct Counts {
        Bytes received{};                                ///< what came over the network; not those that pip fetched
        std::map<std::string, std::uint64_t> results{};  ///< ended downloads: "ok", or the error's code
    };

    /// store::pull, noted here while it lasts. A model that was here already is no download.
    [[nodiscard]] Result<Pulled> pull(const Entry& entry, const Library& library, const PullSettings& settings,
                                      const PullHeard& heard, const std::stop_token& stop);

    [[nodiscard]] std::vector<UnderWay> under_way() const;
    [[nodiscard]] Counts counts() const;

private:
    struct Noted : UnderWay {
        Rate rate{};
    };

    mutable Mutex mutex_;
    std::list<Noted> under_way_ HOTMIC_GUARDED_BY(mutex_){};
    Counts counts_ HOTMIC_GUARDED_BY(mutex_){};
};

}  // namespace hotmic::store
