#include "lifecycle/baseline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

namespace hotmic {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BaselineTest : public ::testing::Test {
protected:
    void SetUp() override {
        spdlog::set_default_logger(
            std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_)));
    }
    void TearDown() override {
        fs::permissions(root_, fs::perms::owner_all);
        fs::remove_all(root_);
        spdlog::set_default_logger(before_);
    }

    static fs::path fresh_folder() {
        auto pattern = (fs::temp_directory_path() / "hotmic-baseline-XXXXXX").string();
        return mkdtemp(pattern.data());
    }
    static WarmupReport warm(double steady_ms, int level = 2) {
        return {.level = level, .complete = true, .steady = from_ms(steady_ms)};
    }
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> names;
        if (!fs::exists(folder_)) return names;
        for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename().string());
        return names;
    }
    void overwrite(std::string_view text) {
        fs::create_directories(folder_);
        std::ofstream(store_.file_of(key_), std::ios::binary) << text;
    }

    const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
    std::ostringstream log_;
    const fs::path root_ = fresh_folder();
    const fs::path folder_ = root_ / "cache" / "baselines";  // not there yet
    const BaselineStore store_{folder_};
    const BaselineKey key_{.model = "ab12", .machine = "some processor, 2 cores", .backend = "CPU", .threads = 2};
};

TEST_F(BaselineTest, TheFirstWarmupHasNothingToCompareWith) {
    EXPECT_FALSE(store_.find(key_));
    EXPECT_FALSE(store_.judge(key_, warm(100)));
    EXPECT_THAT(store_.find(key_).value().steady, ElementsAre(from_ms(100)));
    EXPECT_EQ(log_.str(), "") << "a missing file is nothing to talk about";
}

TEST_F(BaselineTest, ASlowerWarmupIsSaidWithItsFigures) {
    ASSERT_TRUE(store_.record(key_, from_ms(120)));
    const auto verdict = store_.judge(key_, warm(276)).value();
    EXPECT_TRUE(verdict.slower());
    EXPECT_DOUBLE_EQ(verdict.ratio, 2.3);
    EXPECT_EQ(verdict.note(), "2.3 × slower than usual here: 276 ms against 120 ms, the last warmup");
}

TEST_F(BaselineTest, AsFastAsUsualIsNothingToSay) {
    ASSERT_TRUE(store_.record(key_, from_ms(120)));
    const auto verdict = store_.judge(key_, warm(130)).value();
    EXPECT_FALSE(verdict.slower());
    EXPECT_EQ(verdict.note(), "");
}

TEST_F(BaselineTest, OneSlowWarmupDoesNotBecomeTheMeasure) {
    for (const double steady : {100., 102., 98.}) ASSERT_TRUE(store_.record(key_, from_ms(steady)));
    EXPECT_TRUE(store_.judge(key_, warm(250)).value().slower());
    const auto next = store_.judge(key_, warm(250)).value();
    EXPECT_TRUE(next.slower()) << "still slow, and still said";
    EXPECT_THAT(next.note(), HasSubstr("the median of 4 warmups"));
}

TEST_F(BaselineTest, AMachineThatStaysSlowerIsUsualInTheEnd) {
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(store_.record(key_, from_ms(100)));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(store_.record(key_, from_ms(200)));
    EXPECT_FALSE(store_.judge(key_, warm(200)).value().slower());
}

TEST_F(BaselineTest, OnlyTheLastOnesAreKept) {
    for (int i = 1; i <= 20; ++i) ASSERT_TRUE(store_.record(key_, from_ms(i)));
    EXPECT_THAT(store_.find(key_).value().steady, ElementsAre(from_ms(13), from_ms(14), from_ms(15), from_ms(16),
                                                              from_ms(17), from_ms(18), from_ms(19), from_ms(20)));
}

TEST_F(BaselineTest, AnotherModelMachineBackendOrThreadCountIsAnotherBaseline) {
    ASSERT_TRUE(store_.record(key_, from_ms(100)));
    auto other = key_;
    other.backend = "Vulkan0 (some GPU)";
    EXPECT_FALSE(store_.judge(other, warm(10)));
    other = key_;
    other.machine = "another processor, 2 cores";
    EXPECT_FALSE(store_.find(other));
    other = key_;
    other.model = "cd34";
    EXPECT_FALSE(store_.find(other));
    other = key_;
    other.threads = 1;
    EXPECT_FALSE(store_.find(other));
    // Strung together these two would be the same.
    EXPECT_NE(store_.file_of({.model = "ab", .machine = "c", .backend = ""}),
              store_.file_of({.model = "a", .machine = "bc", .backend = ""}));
    EXPECT_THAT(store_.find(key_).value().steady, ElementsAre(from_ms(100))) << "the first is as it was";
}

TEST_F(BaselineTest, WithoutASteadyStateNothingIsCompared) {
    ASSERT_TRUE(store_.record(key_, from_ms(100)));
    EXPECT_FALSE(store_.judge(key_, warm(900, 1))) << "level 1 runs once, and that run is cold";
    EXPECT_FALSE(store_.judge(key_, warm(0)));
    EXPECT_FALSE(store_.judge(key_, warm(std::numeric_limits<double>::quiet_NaN())));
    EXPECT_THAT(store_.find(key_).value().steady, ElementsAre(from_ms(100)));
}

TEST_F(BaselineTest, ACorruptFileIsIgnoredWithALineAndReplacedByTheNextWarmup) {
    ASSERT_TRUE(store_.record(key_, from_ms(100)));
    const std::string good = [&] {
        std::ifstream in(store_.file_of(key_));
        return std::string(std::istreambuf_iterator<char>(in), {});
    }();
    auto with = [&](std::string_view what, std::string_view by) {
        auto text = good;
        const auto at = text.find(what);
        EXPECT_NE(at, std::string::npos) << what;
        return text.replace(at, what.size(), by);
    };
    const std::vector<std::string> bad{"",
                                       "{",
                                       "no JSON",
                                       std::string("\0\0\0\0", 4),
                                       good.substr(0, good.size() / 2),
                                       with("[100]", "[]"),
                                       with("[100]", "[-1]"),
                                       with("[100]", "[1e999]"),
                                       with("[100]", R"(["x"])"),
                                       with("\"version\":1", "\"version\":99"),
                                       with("ab12", "ef56"),
                                       std::string(1 << 20, ' ')};
    for (const auto& text : bad) {
        overwrite(text);
        log_.str("");
        EXPECT_FALSE(store_.find(key_)) << text;
        EXPECT_THAT(log_.str(), HasSubstr("baseline ignored")) << text;
        EXPECT_FALSE(store_.judge(key_, warm(100)));
        EXPECT_THAT(store_.find(key_).value().steady, ElementsAre(from_ms(100))) << "mended after: " << text;
    }
}

TEST_F(BaselineTest, AFolderInPlaceOfTheFileIsSurvived) {
    fs::create_directories(store_.file_of(key_) / "in the way");
    EXPECT_FALSE(store_.judge(key_, warm(100)));
    EXPECT_THAT(log_.str(), HasSubstr("baseline not kept"));
    EXPECT_THAT(files(), SizeIs(1)) << "nothing half written is left";
}

TEST_F(BaselineTest, AFolderThatCannotBeMadeIsAnErrorWithItsName) {
    std::ofstream(root_ / "cache") << "a file where the folder should be";
    const auto kept = store_.record(key_, from_ms(100));
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().code, ErrorCode::io_error);
    EXPECT_THAT(kept.error().message, HasSubstr(folder_.string()));
    EXPECT_FALSE(store_.judge(key_, warm(100))) << "and a warmup goes on without";
}

TEST_F(BaselineTest, WritersOfDifferentKeysLoseNothing) {
    std::vector<BaselineKey> keys(4, key_);
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i].threads = static_cast<int>(i);
    {
        std::vector<std::jthread> writers;
        for (const auto& key : keys) {
            writers.emplace_back([&] {
                for (int i = 1; i <= 50; ++i) EXPECT_TRUE(store_.record(key, from_ms(i)));
            });
        }
    }
    for (const auto& key : keys) EXPECT_THAT(store_.find(key).value().steady, SizeIs(BaselineStore::kKept));
    EXPECT_THAT(files(), SizeIs(keys.size())) << "nothing half written is left";
    EXPECT_EQ(log_.str(), "");
}

TEST_F(BaselineTest, TwoProcessesThatWriteTheSameKeyLeaveAWholeFileAtAnyMoment) {
    ASSERT_TRUE(store_.record(key_, from_ms(1)));
    std::vector<pid_t> writers;
    for (int i = 0; i < 2; ++i) {
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            for (int round = 0; round < 200; ++round) {
                if (!store_.record(key_, from_ms(1 + i))) _exit(1);
            }
            _exit(0);
        }
        writers.push_back(child);
    }
    bool running = true;
    while (running) {
        const auto seen = store_.find(key_);
        EXPECT_TRUE(seen) << "torn: " << log_.str();
        if (!seen) break;
        siginfo_t info{};
        running =
            waitid(P_PID, static_cast<id_t>(writers[0]), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
    }
    for (const pid_t writer : writers) {
        int status = -1;
        waitpid(writer, &status, 0);
        EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(log_.str(), "");
    EXPECT_THAT(files(), SizeIs(1));
}

TEST(BaselineKeyTest, AModelWithoutADigestIsKnownByNameAndSize) {
    const ModelInfo folder{
        .provider = "pocketsphinx", .name = "en-us", .backend = "CPU", .size = Bytes(7), .threads = 1};
    const auto key = baseline_key(folder);
    EXPECT_THAT(key.model, HasSubstr("en-us"));
    EXPECT_THAT(key.backend, HasSubstr("CPU"));
    EXPECT_THAT(key.machine, HasSubstr("core"));
    const ModelInfo file{
        .provider = "whisper_cpp", .name = "tiny", .backend = "CPU (zen4)", .sha256 = "ab", .threads = 1};
    EXPECT_EQ(baseline_key(file).model, "ab");
    EXPECT_EQ(baseline_key(file), baseline_key(file));
}

TEST(BaselineFolder, FollowsTheEnvironment) {
    // Restored below: other tests of this program may ask for their home.
    const std::string home = std::getenv("HOME") != nullptr ? std::getenv("HOME") : "";
    const char* cache = std::getenv("XDG_CACHE_HOME");
    const std::optional<std::string> kept = cache != nullptr ? std::optional(cache) : std::nullopt;
    setenv("HOME", "/home/me", 1);
    setenv("XDG_CACHE_HOME", "/c", 1);
    EXPECT_EQ(BaselineStore::default_folder(), "/c/hotmic/baselines");
    setenv("XDG_CACHE_HOME", "relative", 1);
    EXPECT_EQ(BaselineStore::default_folder(), "/home/me/.cache/hotmic/baselines");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    EXPECT_EQ(BaselineStore::default_folder(), "");
    if (!home.empty()) setenv("HOME", home.c_str(), 1);
    if (kept) setenv("XDG_CACHE_HOME", kept->c_str(), 1);
}

}  // namespace
}  // namespace hotmic
