/// Whether the memory that is reserved before a load is what the load then takes. Larger shapes: bench/memory.cpp.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "asr/providers/whisper_cpp/provider.hpp"
#include "support/measured_memory.hpp"
#include "support/whisper_test_model.hpp"
#include "worker/isolated_provider.hpp"

namespace hotmic::whisper_cpp {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 0.15;
constexpr auto kWorker = HOTMIC_BINARY_DIR "/bin/hotmic_test_worker";

struct Case {
    std::string name;
    std::string shape;
    int slots = 1;
    bool flash_attention = true;
    int decoders = 5;
};

class Estimate : public ::testing::TestWithParam<Case> {
protected:
    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "a sanitizer's own memory would be measured";
#endif
        testing::write_whisper_model(path_, testing::official_shape(GetParam().shape));
    }
    void TearDown() override { fs::remove(path_); }

    const fs::path path_ =
        fs::temp_directory_path() / ("hotmic-estimate-" + GetParam().name + "-" + std::to_string(getpid()) + ".bin");
};

TEST_P(Estimate, IsWithin15PercentOfALoadedAndWarmWorker) {
    const auto& wanted = GetParam();
    const ModelSpec spec{.provider = "whisper_cpp",
                         .path = path_,
                         .slots = wanted.slots,
                         .flash_attention = wanted.flash_attention,
                         .max_best_of = wanted.decoders,
                         .max_beam_size = wanted.decoders};
    const auto provider = worker::isolate(make_provider(), {.executable = kWorker});
    const auto estimate = provider->estimate(spec).value();
    const auto measured = testing::measure_memory(*provider, spec, {.few = true}).value();
    EXPECT_NEAR(testing::ratio(estimate, measured), 1, kTolerance)
        << "estimated " << to_mb(estimate.total()) << " MB, measured " << to_mb(measured.warm) << " MB";
    EXPECT_EQ(measured.workers_left, 0) << "what it held is not back while its process is there";
    RecordProperty("estimated_mb", std::to_string(to_mb(estimate.total())));
    RecordProperty("measured_mb", std::to_string(to_mb(measured.warm)));
}

INSTANTIATE_TEST_SUITE_P(Shapes, Estimate,
                         ::testing::Values(Case{.name = "one_decoder", .shape = "tiny.en", .decoders = 1},
                                           Case{.name = "multilingual_two_slots", .shape = "tiny", .slots = 2},
                                           Case{.name = "without_flash", .shape = "base.en", .flash_attention = false},
                                           Case{.name = "quantized", .shape = "base.en-q5_0"}),
                         [](const auto& shape) { return shape.param.name; });

}  // namespace
}  // namespace hotmic::whisper_cpp
