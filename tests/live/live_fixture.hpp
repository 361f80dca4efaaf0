/// Live streams over a model that is managed, and what they tell.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "audio/clip.hpp"
#include "hotmic/live_stream.hpp"
#include "lifecycle/manager_fixture.hpp"

namespace hotmic {

/// What a stream tells, for a test that waits for it.
class Listener {
public:
    LiveSink sink() {
        return [this](const LiveEvent& event) {
            const std::scoped_lock lock(mutex_);
            events_.push_back(event);
            told_.notify_all();
        };
    }
    /// The `count`th event of this kind.
    LiveEvent await(LiveEvent::Kind kind, std::ptrdiff_t count = 1) {
        std::unique_lock lock(mutex_);
        const auto there = [&] { return std::ranges::count(events_, kind, &LiveEvent::kind) >= count; };
        if (!told_.wait_for(lock, kLong, there)) {
            ADD_FAILURE() << "never told";
            return {};
        }
        for (const auto& event : events_) {
            if (event.kind == kind && --count == 0) return event;
        }
        return {};
    }
    std::vector<LiveEvent> of(LiveEvent::Kind kind) {
        const std::scoped_lock lock(mutex_);
        std::vector<LiveEvent> found;
        std::ranges::copy_if(events_, std::back_inserter(found), [&](const auto& event) { return event.kind == kind; });
        return found;
    }
    std::vector<LiveEvent::Kind> kinds() {
        const std::scoped_lock lock(mutex_);
        std::vector<LiveEvent::Kind> found;
        for (const auto& event : events_) found.push_back(event.kind);
        return found;
    }

private:
    std::mutex mutex_;
    std::condition_variable told_;
    std::vector<LiveEvent> events_;
};

inline std::vector<float> speech(double seconds) {
    return audio::clip_of_length(Seconds(seconds)).value();
}

inline std::vector<float> silence(double seconds) {
    return std::vector<float>(static_cast<std::size_t>(seconds * kSampleRate));
}

class Live : public ManagerFixture {
protected:
    std::unique_ptr<LiveStream> open(LiveOptions options = {}) {
        auto stream =
            hub_.open([this](std::string lost,
                             auto then) { manager_->when_ready(deadline_in(kLong), std::move(then), std::move(lost)); },
                      std::move(options), told_.sink());
        EXPECT_TRUE(stream);
        return *std::move(stream);  // its model may still be on its way
    }
    /// What the fake says is not what the clip says, and what it does at its first inference is for the stream.
    static LifecycleOptions unwarmed() {
        auto options = quick();
        options.warmup.level = 0;
        return options;
    }
    void ready(const std::string& path, LifecycleOptions options = unwarmed()) {
        ASSERT_TRUE(make(path, options).initialize(deadline_in(kLong)));
    }
    /// Waits until so many have been begun.
    void await_inferences(int count) const {
        const auto end = deadline_in(kLong);
        while (record_->inferences < count) {
            ASSERT_LT(Clock::now(), end) << "there are " << record_->inferences;
            std::this_thread::yield();
        }
    }
    /// As clients send it: 20 ms at a time.
    static void push(LiveStream& stream, AudioView samples) {
        for (constexpr std::size_t kPiece = 320; !samples.empty();) {
            const auto piece = samples.first(std::min(kPiece, samples.size()));
            stream.push(piece);
            samples = samples.subspan(piece.size());
        }
    }

    Listener told_;
    LiveHub hub_{8};
};

}  // namespace hotmic
