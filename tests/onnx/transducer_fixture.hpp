/// What tests of transducers of all families need: a made folder, the provider, and what a slot hears.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "asr/providers/onnx/provider.hpp"
#include "support/transducer_test_folder.hpp"

namespace hotmic::onnx {

class TransducerFixture : public ::testing::Test {
protected:
    /// `name`: of the folder, which tells the language.
    explicit TransducerFixture(const std::string& name) : folder_(base_ / name) {
        std::filesystem::create_directories(base_);
    }
    ~TransducerFixture() override { std::filesystem::remove_all(base_); }

    static ModelSpec spec_of(const std::filesystem::path& folder) {
        return {.provider = "onnx", .path = folder, .slots = 2, .max_beam_size = 4};
    }
    std::unique_ptr<Model> load_folder() {
        auto model = provider_->load(spec_of(folder_), progress_, {});
        if (!model) throw std::runtime_error(model.error().describe());
        return *std::move(model);
    }
    /// The folder is refused before it is loaded, and when it is; then it is removed.
    void expect_folder_refused(ErrorCode code, const std::string& says) {
        const auto info = provider_->inspect(spec_of(folder_));
        ASSERT_FALSE(info) << says;
        EXPECT_EQ(info.error().code, code) << info.error().message;
        EXPECT_THAT(info.error().message, ::testing::HasSubstr(says));
        EXPECT_FALSE(info.error().remedy.empty());
        EXPECT_TRUE(hotmic::spec_of(info.error().code).permanent);
        const auto model = provider_->load(spec_of(folder_), progress_, {});
        ASSERT_FALSE(model);
        EXPECT_EQ(model.error(), info.error());
        std::filesystem::remove_all(folder_);
    }
    static Transcript heard(Recognizer& recognizer, AudioView audio, const TranscribeOptions& options = {}) {
        auto transcript = recognizer.transcribe(audio, options, {}, {});
        if (!transcript) throw std::runtime_error(transcript.error().describe());
        return *std::move(transcript);
    }

    const std::filesystem::path base_ =
        std::filesystem::temp_directory_path() / ("hotmic-transducer-" + std::to_string(getpid()));
    const std::filesystem::path folder_;
    const std::shared_ptr<Provider> provider_ = make_provider();
    LoadProgress progress_;
};

/// A folder of the kind that icefall exports.
class Transducer : public TransducerFixture {
protected:
    Transducer() : TransducerFixture("zipformer-en-test") {}

    std::unique_ptr<Model> load(const testing::TransducerTestFolder& how = {}) {
        testing::write_transducer_folder(folder_, how);
        return load_folder();
    }
    void expect_refused(const testing::TransducerTestFolder& how, ErrorCode code, const std::string& says) {
        testing::write_transducer_folder(folder_, how);
        expect_folder_refused(code, says);
    }
};

}  // namespace hotmic::onnx
