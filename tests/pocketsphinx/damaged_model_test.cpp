/// Model folders of PocketSphinx that are incomplete or damaged: refused before the engine sees them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string_view>

#include "asr/providers/pocketsphinx/model_files.hpp"
#include "asr/providers/pocketsphinx/provider.hpp"
#include "pocketsphinx/pocketsphinx_fixture.hpp"

namespace hotmic::pocketsphinx {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// A copy of the distribution's model, to damage.
class DamagedModel : public ::testing::Test {
protected:
    void SetUp() override {
        const auto files = find_model({});
        ASSERT_TRUE(files) << files.error().describe();
        fs::create_directories(folder_ / "en-us");
        fs::copy(files->acoustic_model, folder_ / "en-us");
        fs::create_symlink(files->language_model, folder_ / "en-us.lm.bin");
        fs::create_symlink(files->dictionary, folder_ / "words.dict");
        ASSERT_TRUE(find_model(folder_)) << "the copy is whole";
    }
    void TearDown() override { fs::remove_all(folder_); }

    void expect(ErrorCode code, const std::string& named) const {
        const auto files = find_model(folder_);
        ASSERT_FALSE(files);
        EXPECT_EQ(files.error().code, code);
        EXPECT_THAT(files.error().message, HasSubstr(named));
        EXPECT_THAT(files.error().remedy, HasSubstr("apt install"));
    }

    /// Makes room for a damaged one.
    static fs::path put_aside(const fs::path& file) {
        auto aside = file;
        aside += ".whole";
        fs::rename(file, aside);
        return aside;
    }
    static void overwrite(const fs::path& file, std::streamoff position, std::string_view bytes) {
        std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
        out.seekp(position);
        out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        ASSERT_TRUE(out.good());
    }

    const fs::path folder_ = fs::temp_directory_path() / ("hotmic-pocketsphinx-" + std::to_string(getpid()));
};

TEST_F(DamagedModel, WithoutItsLanguageModel) {
    fs::remove(folder_ / "en-us.lm.bin");
    expect(ErrorCode::model_not_recognized, "language model");
}

TEST_F(DamagedModel, WithoutItsDictionary) {
    fs::remove(folder_ / "words.dict");
    expect(ErrorCode::model_not_recognized, "dictionary");
}

TEST_F(DamagedModel, WithoutAParameterFile) {
    fs::remove(folder_ / "en-us/variances");
    expect(ErrorCode::model_file_missing, "variances");
}

TEST_F(DamagedModel, WithAnEmptyFile) {
    fs::resize_file(folder_ / "en-us/means", 0);
    expect(ErrorCode::model_truncated, "means");
}

TEST_F(DamagedModel, WithGarbageForAFile) {
    for (const auto* name : {"means", "variances", "transition_matrices", "mdef", "sendump"}) {
        const auto whole = put_aside(folder_ / "en-us" / name);
        std::ofstream(folder_ / "en-us" / name) << "no Gaussian in here, nor anything else that anyone could use";
        expect(ErrorCode::model_corrupt, name);
        fs::rename(whole, folder_ / "en-us" / name);
    }
}

TEST_F(DamagedModel, CutAnywhere) {
    for (const auto* name : {"means", "variances", "transition_matrices", "mdef", "sendump"}) {
        const auto file = folder_ / "en-us" / name;
        for (const double share : {0.999, 0.5, 0.02}) {
            const auto whole = put_aside(file);
            fs::copy_file(whole, file);
            fs::resize_file(file, static_cast<std::uintmax_t>(static_cast<double>(fs::file_size(whole)) * share));
            const auto files = find_model(folder_);
            ASSERT_FALSE(files) << name << " cut to " << share;
            EXPECT_THAT(files.error().code, ::testing::AnyOf(ErrorCode::model_truncated, ErrorCode::model_corrupt));
            EXPECT_THAT(files.error().message, HasSubstr(name));
            fs::rename(whole, file);
        }
    }
    ASSERT_TRUE(find_model(folder_)) << "whole again";
}

TEST_F(DamagedModel, WithMoreInItThanItsHeaderSays) {
    std::ofstream(folder_ / "en-us/means", std::ios::app | std::ios::binary) << "more";
    expect(ErrorCode::model_corrupt, "means");
}

TEST_F(DamagedModel, WithAbsurdDimensions) {
    overwrite(folder_ / "en-us/means", 0x2a, "\xff\xff\xff\x7f");  // codebooks
    expect(ErrorCode::model_corrupt, "means");
}

class DamagedLanguageModel : public DamagedModel {
protected:
    void SetUp() override {
        DamagedModel::SetUp();
        const auto original = fs::read_symlink(file_);
        fs::remove(file_);
        fs::copy_file(original, file_);
    }
    const fs::path file_ = folder_ / "en-us.lm.bin";
};

TEST_F(DamagedLanguageModel, CutInItsWords) {
    fs::resize_file(file_, fs::file_size(file_) - 3);
    expect(ErrorCode::model_truncated, "en-us.lm.bin");
}

TEST_F(DamagedLanguageModel, CutInItsNGrams) {
    fs::resize_file(file_, fs::file_size(file_) * 9 / 10);
    expect(ErrorCode::model_truncated, "en-us.lm.bin");
}

TEST_F(DamagedLanguageModel, CutInItsHeader) {
    fs::resize_file(file_, 25);
    expect(ErrorCode::model_truncated, "en-us.lm.bin");
}

TEST_F(DamagedLanguageModel, OfAnAbsurdOrder) {
    overwrite(file_, 19, "\x7f");
    expect(ErrorCode::model_corrupt, "en-us.lm.bin");
}

TEST_F(DamagedLanguageModel, OfMoreNGramsThanItCouldHold) {
    overwrite(file_, 24, "\xff\xff\xff\xff");
    expect(ErrorCode::model_truncated, "en-us.lm.bin");
}

TEST_F(DamagedLanguageModel, ThatIsText) {
    std::ofstream(file_) << "to be or not to be";
    expect(ErrorCode::model_corrupt, "en-us.lm.bin");
}

}  // namespace
}  // namespace hotmic::pocketsphinx
