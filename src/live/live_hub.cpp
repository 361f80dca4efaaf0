#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "asr/limits.hpp"
#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/state.hpp"
#include "live/degrade_ladder.hpp"
#include "live/live_stream_impl.hpp"
#include "speech/speech_finder.hpp"
#include "system/mutex.hpp"

namespace hotmic {

class LiveHub::Impl {
public:
    explicit Impl(std::size_t max_streams) : max_streams_(max_streams) {}

    /// Apart from the constructor: streams hold this weakly.
    void start() {
        thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }

    bool add(const std::shared_ptr<LiveStream::Impl>& stream) {
        const Lock lock(mutex_);
        std::erase_if(streams_, [](const auto& each) { return each->ended(); });
        if (streams_.size() >= max_streams_) return false;
        streams_.push_back(stream);
        return true;
    }

    void wake(const std::optional<LiveStream::Impl::Waited>& waited) {
        const Lock lock(mutex_);
        // Of an instance that no stream is on any more there is nothing to know.
        const auto ladder = waited ? ladders_.find(waited->instance) : ladders_.end();
        if (ladder != ladders_.end()) ladder->second.observe(Clock::now(), waited->time);
        woken_ = true;
        changed_.notify_one();
    }

    [[nodiscard]] std::uint32_t next_number() { return ++last_number_; }

    [[nodiscard]] LiveStatus status() const {
        std::vector<std::shared_ptr<LiveStream::Impl>> streams;
        LiveStatus status{.max_streams = max_streams_};
        status.levels.reserve(kDegradeLevels.size());
        for (const auto level : kDegradeLevels)
            status.levels.push_back({std::string(to_string(level)), threshold(level)});
        {
            const Lock lock(mutex_);
            streams = streams_;
            auto level = DegradeLevel::normal;
            for (const auto& [instance, ladder] : ladders_) {
                level = std::max(level, ladder.level());
                status.lateness = std::max(status.lateness, ladder.lateness());
            }
            status.level = to_string(level);
            status.dropped = dropped_before_;
        }
        for (const auto& stream : streams) {
            const auto one = stream->status();
            if (!stream->ended()) ++status.streams;
            status.backlog += one.backlog;
            status.dropped += one.dropped;
        }
        return status;
    }

private:
    using StreamPtr = std::shared_ptr<LiveStream::Impl>;

    void run(const std::stop_token& stop) {
        Lock lock(mutex_);
        while (!stop.stop_requested()) {
            std::erase_if(streams_, [this](const auto& stream) HOTMIC_REQUIRES(mutex_) {
                if (!stream->ended()) return false;
                dropped_before_ += stream->status().dropped;
                return true;
            });
            const auto now = Clock::now();
            auto look_again = Clock::time_point::max();
            if (const auto [next, kind] = choose(now, look_again); next) {
                lock.unlock();  // a decode may be refused at once, and then tells so on this thread
                next->begin_decode(kind);
                lock.lock();
                continue;
            }
            woken_ = false;
            const auto changed = [this] HOTMIC_REQUIRES(mutex_) { return woken_; };
            if (look_again == Clock::time_point::max())
                changed_.wait(lock, stop, changed);
            else
                changed_.wait_until(lock, stop, look_again, changed);
        }
    }

    /// The stream whose decode is wanted first among those whose model has a slot for it. Otherwise when to look again.
    /// A final that finds no slot takes that of a decode of what is still being said.
    std::pair<StreamPtr, DecodeKind> choose(Clock::time_point now, Clock::time_point& look_again)
        HOTMIC_REQUIRES(mutex_) {
        struct Load {
            int decodes = 0;  // no more than there is room for, or they would only wait there
            int speakers = 0;
            Clock::duration late{};  // of what waits, the longest
        };
        std::map<std::string, Load> loads;  // by instance
        for (const auto& stream : streams_) {
            auto& load = loads[stream->instance()];
            load.decodes += stream->decodes();
            load.speakers += stream->speaking() ? 1 : 0;
        }
        std::erase_if(ladders_, [&](const auto& each) { return !loads.contains(each.first); });
        StreamPtr best;
        auto kind = DecodeKind::final;
        auto best_wanted = Clock::time_point::max();
        std::set<std::string> finals_wait;  // instances
        for (const auto& stream : streams_) {
            const auto instance = stream->instance();
            auto& load = loads[instance];
            const auto due = stream->due(ladders_[instance].level(), load.speakers);
            if (!due) continue;
            if (due->due > now) {
                look_again = std::min(look_again, due->due);
                continue;
            }
            const auto tolerance = std::chrono::duration_cast<Clock::duration>(due->tolerance);
            load.late = std::max(load.late, now - due->due - tolerance);
            if (load.decodes >= stream->room()) {
                look_again = std::min(look_again, now + kLook);
                if (due->kind == DecodeKind::final) finals_wait.insert(instance);
            } else if (due->due + tolerance < best_wanted) {
                best = stream;
                best_wanted = due->due + tolerance;
                kind = due->kind;
            }
        }
        for (const auto& instance : finals_wait) {
            for (const auto& stream : streams_)
                if (stream->instance() == instance && stream->yield_slot()) break;
        }
        for (auto& [instance, ladder] : ladders_) {
            ladder.observe(now, loads[instance].late);
            // A level is left by time alone, too.
            if (ladder.level() != DegradeLevel::normal) look_again = std::min(look_again, now + kLook);
        }
        return {best, kind};
    }

    static constexpr std::chrono::milliseconds kLook{100};

    const std::size_t max_streams_;
    std::atomic<std::uint32_t> last_number_{0};
    mutable Mutex mutex_;
    StoppableCondition changed_;
    std::vector<StreamPtr> streams_ HOTMIC_GUARDED_BY(mutex_);
    std::map<std::string, DegradeLadder> ladders_
        HOTMIC_GUARDED_BY(mutex_);                        // by instance: one that is late holds up no other
    Seconds dropped_before_ HOTMIC_GUARDED_BY(mutex_){};  // by streams that have ended
    bool woken_ HOTMIC_GUARDED_BY(mutex_) = false;
    std::jthread thread_;  // last: the others are there while it runs
};

LiveHub::LiveHub(std::size_t max_streams) : impl_(std::make_shared<Impl>(max_streams)) {
    impl_->start();
}
LiveHub::~LiveHub() = default;

Result<std::unique_ptr<LiveStream>> LiveHub::open(LeaseSource leases, LiveOptions options, LiveSink sink) {
    if (auto sizes = check_sizes(options.transcribe); !sizes) return std::unexpected(std::move(sizes).error());
    std::optional<SpeechFinder> finder;
    if (options.endpointing) {
        auto made = SpeechFinder::open(*options.endpointing);
        if (!made) return std::unexpected(std::move(made).error());
        finder = *std::move(made);
    }
    auto stream = std::make_shared<LiveStream::Impl>(
        impl_->next_number(), std::move(leases), std::move(options), std::move(finder), std::move(sink),
        [hub = std::weak_ptr(impl_)](const std::optional<LiveStream::Impl::Waited>& waited) {
            if (const auto there = hub.lock()) there->wake(waited);
        });
    if (!impl_->add(stream)) {
        return fail(ErrorCode::queue_full, std::format("{} streams are open already", impl_->status().streams),
                    "end one, try again later, or raise server.max_streams");
    }
    stream->find_model({});
    return std::make_unique<LiveStream>(std::move(stream));
}

LiveStatus LiveHub::status() const {
    return impl_->status();
}

}  // namespace hotmic
