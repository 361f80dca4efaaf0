/// A model file that changes under the engine's hands.
#include "asr/whisper/weight_reader.hpp"
#include "asr/providers/whisper_cpp/loader.hpp"
#include "asr/whisper/ggml_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <whisper.h>

#include <filesystem>
#include <fstream>

#include "asr/providers/whisper_cpp/engine.hpp"
#include "support/whisper_test_model.hpp"

namespace hotmic::whisper_cpp {
namespace {

using whisper::ModelFile;
using whisper::read_model_file;
using whisper::WeightReader;

namespace fs = std::filesystem;

class Reading : public ::testing::Test {
protected:
    void SetUp() override { testing::write_whisper_model(path_); }
    void TearDown() override { fs::remove(path_); }

    void overwrite(std::uint64_t at, std::string_view bytes) const {
        std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(static_cast<std::streamoff>(at));
        file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    /// Reads as the engine does, to the end, and returns the skeleton it was given.
    std::string drain(WeightReader& reader, const ModelFile& file) {
        std::string given;
        std::uint64_t at = 0;
        std::vector<char> buffer;
        const auto take = [&](std::uint64_t count, bool skeleton) {
            buffer.resize(count);
            (void)reader.read(buffer.data(), count);
            if (skeleton) given.append(buffer.data(), count);
            at += count;
        };
        for (const auto& extent : file.data) {
            take(extent.begin - at, true);
            take(extent.size, false);
        }
        char more = 0;
        EXPECT_EQ(reader.read(&more, 1), 0u);
        EXPECT_TRUE(reader.ended());
        return given;
    }

    const fs::path path_ = fs::temp_directory_path() / ("hotmic-reading-" + std::to_string(getpid()) + ".bin");
    LoadProgress progress_;
};

TEST_F(Reading, AFileLeftAloneIsGivenWhole) {
    const auto file = read_model_file(path_).value();
    WeightReader reader(path_, file, progress_, {});
    EXPECT_EQ(drain(reader, file), file.skeleton);
    EXPECT_TRUE(reader.verdict());
    EXPECT_EQ(progress_.snapshot().done, Bytes(file.size_bytes));
    EXPECT_GE(progress_.snapshot().beats, file.size_bytes / (64 << 20));
}

TEST_F(Reading, ShortReadsAreNoticedAndFilledWithZeros) {
    const auto file = read_model_file(path_).value();
    fs::resize_file(path_, file.size_bytes - 100);  // within the last tensor
    WeightReader reader(path_, file, progress_, {});
    (void)drain(reader, file);
    const auto verdict = reader.verdict();
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code, ErrorCode::model_truncated);
}

TEST_F(Reading, AFileThatShrinksWhileItIsReadIsRefused) {
    const auto file = read_model_file(path_).value();
    WeightReader reader(path_, file, progress_, {});
    std::vector<char> first(1 << 20);
    ASSERT_EQ(reader.read(first.data(), first.size()), first.size());
    fs::resize_file(path_, file.size_bytes / 2);
    while (!reader.ended()) (void)reader.read(first.data(), first.size());
    EXPECT_FALSE(reader.verdict());
}

TEST_F(Reading, AFileThatGrowsIsRefused) {
    const auto file = read_model_file(path_).value();
    fs::resize_file(path_, file.size_bytes + 1);
    WeightReader reader(path_, file, progress_, {});
    (void)drain(reader, file);
    EXPECT_EQ(reader.verdict().error().code, ErrorCode::model_corrupt);
}

TEST_F(Reading, TheEngineIsGivenTheStructureThatWasCheckedWhateverTheFileHolds) {
    const auto file = read_model_file(path_).value();
    overwrite(5 * sizeof(std::int32_t), "\x40\x42\x0F\x00");  // a million layers
    overwrite(file.data[3].begin + file.data[3].size + 8,
              "\xE7\x03");  // the next tensor's type: 999 makes the engine abort
    WeightReader reader(path_, file, progress_, {});
    EXPECT_EQ(drain(reader, file), file.skeleton);
    const auto verdict = reader.verdict();
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code, ErrorCode::model_corrupt);
}

TEST_F(Reading, TheEngineLoadsSafelyWhenStoppedAtOnce) {
    const auto file = read_model_file(path_).value();
    std::stop_source stop;
    stop.request_stop();
    WeightReader reader(path_, file, progress_, stop.get_token());
    auto loader = loader_of(reader);
    start_engine();
    whisper_free(whisper_init_with_params_no_state(&loader, whisper_context_default_params()));
    EXPECT_EQ(reader.verdict().error().code, ErrorCode::load_cancelled);
    EXPECT_LT(progress_.snapshot().done, Bytes(file.size_bytes));
}

}  // namespace
}  // namespace hotmic::whisper_cpp
