/// What the tests of workers share: a provider whose models live in real processes, and the check that nothing stays
/// behind.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "hotmic/provider.hpp"
#include "support/fake_provider.hpp"
#include "worker/isolated_provider.hpp"

namespace hotmic::worker {

/// How long anything here may take before it counts as never: only a failing test gets there.
inline constexpr std::chrono::seconds kLong{60};

inline constexpr auto kTestWorker = HOTMIC_BINARY_DIR "/bin/hotmic_test_worker";

[[nodiscard]] std::size_t open_files();

/// Children of this process that have not been reaped.
[[nodiscard]] std::vector<pid_t> children();

class WorkerTest : public ::testing::Test {
protected:
    void TearDown() override;

    Result<std::unique_ptr<Model>> load(const std::string& path, std::stop_token stop = {}) {
        return provider_->load({.provider = "fake", .path = path}, progress_, std::move(stop));
    }

    /// A second of something.
    static std::vector<float> speech() { return std::vector<float>(16000, 0.1F); }

    const std::size_t files_before_ = open_files();
    LoadProgress progress_{"test"};
    std::shared_ptr<Provider> provider_ = isolate(testing::make_fake_provider(), {.executable = kTestWorker});
};

}  // namespace hotmic::worker
