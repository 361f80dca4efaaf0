/// A manager over the fake provider, and what its journal says.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "hotmic/model_manager.hpp"
#include "support/fake_provider.hpp"

namespace hotmic {

/// Longer than anything here takes, shorter than a hang.
inline constexpr std::chrono::seconds kLong{60};

class ManagerFixture : public ::testing::Test {
protected:
    ModelManager& make(const std::string& path, LifecycleOptions options = quick(), int slots = 0) {
        manager_.emplace("m", ModelSpec{.provider = "fake", .path = path, .slots = slots},
                         testing::make_fake_provider(record_), options, broker_, journal_);
        return *manager_;
    }
    static LifecycleOptions quick() {
        LifecycleOptions options;
        options.warmup.level = 1;
        options.retry.max_attempts = 1;
        options.drain_timeout = std::chrono::seconds(10);
        options.cancel_grace = std::chrono::seconds(10);
        return options;
    }
    static Request request() { return {.audio = source_from_samples(std::vector<float>(1600, 0.1F))}; }

    std::vector<ModelState> states() const {
        std::vector<ModelState> to;
        for (const auto& step : journal_.since(0)) to.push_back(step.to);
        return to;
    }
    /// Waits until the journal shows `state` in a step after the first `seen`, and returns that step.
    Transition await(ModelState state, std::uint64_t seen = 0) const {
        while (true) {
            const auto steps = journal_.wait_since(seen, deadline_in(kLong));
            if (steps.empty()) {
                ADD_FAILURE() << "never " << to_string(state);
                return {};
            }
            for (const auto& step : steps) {
                if (step.to == state) return step;
                seen = step.sequence;
            }
        }
    }

    std::shared_ptr<testing::FakeRecord> record_ = std::make_shared<testing::FakeRecord>();
    MemoryBroker broker_;
    Journal journal_;
    std::optional<ModelManager> manager_;
};

/// The promises of include/hotmic/model_manager.hpp: load_failure_test.cpp, model_manager_test.cpp, unload_test.cpp,
/// warmup_test.cpp.
class ModelManagerTest : public ManagerFixture {};

}  // namespace hotmic
