/// A model file that is missing or bad is tried again by itself once it is another one.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "asr/providers/whisper_cpp/provider.hpp"
#include "hotmic/model_manager.hpp"
#include "support/whisper_test_model.hpp"

namespace hotmic::whisper_cpp {
namespace {

using namespace std::chrono_literals;

class FileChange : public ::testing::Test {
protected:
    FileChange() {
        options_.warmup.level = 0;
        options_.supervise.file_check_interval = 20ms;
        manager_.emplace("m", ModelSpec{.provider = "whisper_cpp", .path = path_, .slots = 1, .threads = 1},
                         make_provider(), options_, broker_, journal_);
    }
    ~FileChange() override {
        manager_.reset();
        std::filesystem::remove(path_);
    }
    /// Waits until the journal shows READY.
    bool becomes_ready() {
        std::uint64_t seen = 0;
        while (true) {
            const auto steps = journal_.wait_since(seen, deadline_in(60s));
            if (steps.empty()) return false;
            seen = steps.back().sequence;
            if (steps.back().to == ModelState::ready) return true;
        }
    }

    const std::filesystem::path path_ =
        std::filesystem::temp_directory_path() / ("hotmic-change-" + std::to_string(getpid()) + ".bin");
    LifecycleOptions options_;
    MemoryBroker broker_;
    Journal journal_;
    std::optional<ModelManager> manager_;
};

TEST_F(FileChange, AMissingModelIsLoadedOnceItIsThere) {
    const auto missing = manager_->initialize(deadline_in(60s));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::model_file_missing);
    testing::write_whisper_model(path_);
    EXPECT_TRUE(becomes_ready());
}

TEST_F(FileChange, ABadModelIsTriedAgainOnceItIsMended) {
    std::ofstream(path_) << "this is no model";
    const auto bad = manager_->initialize(deadline_in(60s));
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, ErrorCode::model_not_recognized);
    EXPECT_EQ(manager_->initialize(deadline_in(60s)).error().code, ErrorCode::model_not_recognized)
        << "the same file is not tried";
    testing::write_whisper_model(path_);
    EXPECT_TRUE(becomes_ready());
}

}  // namespace
}  // namespace hotmic::whisper_cpp
