/// What every provider must do, in this process and in a worker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <thread>

#include "asr/long_audio.hpp"
#include "audio/clip.hpp"
#include "conformance/providers_under_test.hpp"
#include "lifecycle/warmup_runner.hpp"
#include "system/heap.hpp"
#include "system/memory.hpp"

namespace hotmic {
namespace {

using testing::ProviderUnderTest;

class Conformance : public ::testing::TestWithParam<ProviderUnderTest> {
protected:
    static std::vector<float> clip() { return audio::clip_of_length(audio::builtin_clip().length).value(); }

    void load() {
        auto model = provider_->load(spec_, progress_, {});
        ASSERT_TRUE(model) << model.error().describe();
        model_ = *std::move(model);
    }
    std::unique_ptr<Recognizer> recognizer() {
        auto made = model_->make_recognizer();
        EXPECT_TRUE(made) << made.error().describe();
        return *std::move(made);
    }
    void expect_expected(const Result<Transcript>& transcript) const {
        ASSERT_TRUE(transcript) << transcript.error().describe();
        EXPECT_LE(word_error_rate(GetParam().expected, transcript->text), GetParam().accepted_error_rate)
            << transcript->text;
    }

    const std::shared_ptr<Provider> provider_ = GetParam().make();
    const ModelSpec spec_ = GetParam().spec();
    LoadProgress progress_{"conformance"};
    std::unique_ptr<Model> model_;
};

TEST_P(Conformance, DescribesItselfWithoutLoading) {
    EXPECT_TRUE(provider_->availability().available);
    EXPECT_FALSE(provider_->availability().version.empty());
    EXPECT_FALSE(provider_->capabilities().languages.empty());
    EXPECT_FALSE(provider_->capabilities().cancel_granularity.empty());
    const auto file = provider_->inspect(spec_);
    ASSERT_TRUE(file) << file.error().describe();
    EXPECT_GT(file->size, Bytes());
    const auto need = provider_->estimate(spec_);
    ASSERT_TRUE(need);
    EXPECT_EQ(need->slots, 2);
    EXPECT_GT(need->total(), mebibytes(1));
}

TEST_P(Conformance, LoadsWithProgressAndRecognizesTheClip) {
    load();
    const auto progress = progress_.snapshot();
    EXPECT_GT(progress.total, Bytes());
    EXPECT_EQ(progress.done, progress.total);
    EXPECT_EQ(model_->info().slots, 2);
    EXPECT_FALSE(model_->info().warmup_lengths.empty());
    std::vector<Segment> told;
    const auto transcript =
        recognizer()->transcribe(clip(), {.word_timestamps = true}, [&](const Segment& s) { told.push_back(s); }, {});
    expect_expected(transcript);
    EXPECT_EQ(told.size(), transcript->segments.size());
    EXPECT_EQ(transcript->language, "en");
    Seconds last(0);
    for (const auto& segment : transcript->segments) {
        EXPECT_GE(segment.start, last);
        EXPECT_GE(segment.end, segment.start);
        EXPECT_LE(segment.end.count(), transcript->duration.count() + 0.05);
        last = segment.start;
        std::string joined;
        for (const auto& word : segment.words) {
            EXPECT_GE(word.start.count(), segment.start.count() - 0.05);
            EXPECT_LE(word.end.count(), segment.end.count() + 0.05);
            EXPECT_GE(word.probability, 0);
            EXPECT_LE(word.probability, 1);
            joined += (joined.empty() ? "" : " ") + word.text;
        }
        EXPECT_EQ(joined, segment.text.substr(segment.text.find_first_not_of(' ')));
    }
}

TEST_P(Conformance, TwoSlotsAtOnceGiveTheSameTextAsOne) {
    load();
    std::string alone;
    {
        const auto one = recognizer();
        alone = one->transcribe(clip(), {}, {}, {}).value().text;
    }
    const auto spec = spec_;
    auto both = provider_->load(spec, progress_, {});
    ASSERT_TRUE(both);
    std::vector<std::string> texts(2);
    {
        std::vector<std::jthread> slots;
        for (std::size_t i = 0; i < 2; ++i) {
            slots.emplace_back([&, i] {
                const auto one = (*both)->make_recognizer();
                ASSERT_TRUE(one);
                texts[i] = (*one)->transcribe(clip(), {}, {}, {}).value().text;
            });
        }
    }
    EXPECT_THAT(texts, ::testing::Each(alone));
}

TEST_P(Conformance, OneRequestLeavesNothingBehindForTheNext) {
    load();
    const auto one = recognizer();
    const auto before = one->transcribe(clip(), {}, {}, {}).value().text;
    auto loud = clip();
    for (auto& sample : loud) sample = std::clamp(sample * 8, -1.0F, 1.0F);
    ASSERT_TRUE(one->transcribe(loud, {.word_timestamps = true}, {}, {}));
    ASSERT_TRUE(one->transcribe(std::vector<float>(kSampleRate), {}, {}, {}));
    EXPECT_EQ(one->transcribe(clip(), {}, {}, {}).value().text, before);
}

TEST_P(Conformance, ARequestCancelledBeforehandDoesNotRun) {
    load();
    const auto one = recognizer();
    std::stop_source stop;
    stop.request_stop();
    const auto transcript = one->transcribe(clip(), {}, {}, stop.get_token());
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::cancelled);
    expect_expected(one->transcribe(clip(), {}, {}, {}));
}

TEST_P(Conformance, ARequestCancelledMidwayEndsAndTheSlotGoesOnServing) {
    load();
    const auto one = recognizer();
    std::stop_source stop;
    const auto transcript = one->transcribe(
        audio::clip_of_length(Seconds(120)).value(), {}, [&](const Segment&) { stop.request_stop(); },
        stop.get_token());
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::cancelled);
    expect_expected(one->transcribe(clip(), {}, {}, {}));
}

TEST_P(Conformance, LoudGarbageIsNoFailure) {
    load();
    const auto one = recognizer();
    std::mt19937 random(1);
    std::uniform_real_distribution<float> noise(-1, 1);
    std::vector<float> white(3 * kSampleRate);
    for (auto& sample : white) sample = noise(random);
    EXPECT_TRUE(one->transcribe(white, {}, {}, {}));
    std::vector<float> square(2 * kSampleRate);
    for (std::size_t i = 0; i < square.size(); ++i) square[i] = i % 2 == 0 ? 1.0F : -1.0F;
    EXPECT_TRUE(one->transcribe(square, {}, {}, {}));
    EXPECT_TRUE(one->transcribe(std::vector<float>(kSampleRate, 100.0F), {}, {}, {})) << "far over full scale";
}

TEST_P(Conformance, HardlyAnyAudioIsAnEmptyTranscriptOrOneOfTheModelsMaking) {
    load();
    const auto one = recognizer();
    const auto nothing = one->transcribe({}, {}, {}, {});
    ASSERT_TRUE(nothing) << nothing.error().describe();
    EXPECT_EQ(nothing->text, "");
    EXPECT_TRUE(one->transcribe(std::vector<float>{0.5F}, {}, {}, {}));
    EXPECT_TRUE(one->transcribe(std::vector<float>(800, 0.1F), {}, {}, {}));
}

TEST_P(Conformance, NumbersThatAreNoneAreRefused) {
    load();
    const auto one = recognizer();
    for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        auto audio = clip();
        audio[audio.size() / 2] = poison;
        const auto transcript = one->transcribe(audio, {}, {}, {});
        ASSERT_FALSE(transcript);
        EXPECT_EQ(transcript.error().code, ErrorCode::audio_invalid_samples);
    }
    expect_expected(one->transcribe(clip(), {}, {}, {}));
}

class LongConformance : public Conformance {};

TEST_P(LongConformance, FiveMinutesAreRecognizedInBoundedMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr double kSeconds = 200;              // what a sanitizer finds it finds in the first windows
    constexpr auto kMostGrowth = mebibytes(160);  // it keeps what is freed for a while
#else
    constexpr double kSeconds = 300;
    constexpr auto kMostGrowth = mebibytes(32);
#endif
    load();
    const auto one = recognizer();
    const auto five_minutes = audio::clip_of_length(Seconds(kSeconds)).value();
    ASSERT_TRUE(one->transcribe(AudioView(five_minutes).first(130 * kSampleRate), {}, {}, {}));
    const auto resident = [&] { return GetParam().in_process ? system::resident_memory() : model_->resident(); };
    const auto before = resident();
    const auto source = source_from_view(five_minutes);
    const auto transcript = transcribe_source(*one, *source, {}, {}, {});
    ASSERT_TRUE(transcript) << transcript.error().describe();
    EXPECT_NEAR(transcript->duration.count(), kSeconds, 0.01);
    EXPECT_GT(transcript->segments.back().end, Seconds(kSeconds - 20));
    EXPECT_LT(resident(), before + kMostGrowth) << "memory grew with the audio";
}

TEST_P(Conformance, LanguagesAreCheckedAndMayBeMissing) {
    load();
    const auto one = recognizer();
    for (const auto* language : {"klingon", "xx"}) {
        const auto unknown = one->transcribe(clip(), {.language = language}, {}, {});
        ASSERT_FALSE(unknown) << language;
        EXPECT_EQ(unknown.error().code, ErrorCode::unsupported_language);
        EXPECT_EQ(unknown.error().param, "language");
    }
    for (const auto* language : {"", "auto", "en", "english"})
        expect_expected(one->transcribe(clip(), {.language = language}, {}, {}));
}

TEST_P(Conformance, AFileThatIsNoModelIsRefusedByInspectAndLoad) {
    auto spec = spec_;
    spec.path = GetParam().wrong_file;
    const auto file = provider_->inspect(spec);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, GetParam().wrong_file_error);
    EXPECT_THAT(file.error().message, ::testing::HasSubstr(GetParam().wrong_file));
    EXPECT_FALSE(file.error().remedy.empty());
    const auto model = provider_->load(spec, progress_, {});
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, GetParam().wrong_file_error);
}

TEST_P(Conformance, AMissingFileIsNamed) {
    auto spec = spec_;
    spec.path = "/nonexistent/model";
    const auto file = provider_->inspect(spec);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, ErrorCode::model_file_missing);
    EXPECT_THAT(file.error().message, ::testing::HasSubstr("/nonexistent/model"));
}

TEST_P(Conformance, ALoadCanBeCancelled) {
    std::stop_source stop;
    stop.request_stop();
    const auto model = provider_->load(spec_, progress_, stop.get_token());
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::load_cancelled);
}

TEST_P(Conformance, UnloadingGivesTheMemoryBack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer keeps freed memory for itself";
#endif
    const auto round = [&] {
        load();
        const auto one = recognizer();
        ASSERT_TRUE(one->transcribe(clip(), {}, {}, {}));
    };
    const auto resident = [&] {
        model_.reset();
        system::trim_heap();
        return system::resident_memory();
    };
    round();  // what the libraries keep for themselves is taken once
    const auto first = resident();
    for (int i = 0; i < 3; ++i) round();
    const auto last = resident();
    EXPECT_LT(last, first + mebibytes(16)) << "three more loads left " << to_mb(last - first) << " MB";
}

/// Each engine in this process, and one of them in a worker: the way there is the same for all.
std::vector<ProviderUnderTest> each_engine_and_one_worker() {
    auto all = testing::providers_under_test();
    std::erase_if(all, [](const auto& each) { return !each.in_process && each.name != "onnx_isolated"; });
    return all;
}

INSTANTIATE_TEST_SUITE_P(Providers, LongConformance, ::testing::ValuesIn(each_engine_and_one_worker()),
                         [](const auto& provider) { return provider.param.name; });

INSTANTIATE_TEST_SUITE_P(Providers, Conformance, ::testing::ValuesIn(testing::providers_under_test()),
                         [](const auto& provider) { return provider.param.name; });

}  // namespace
}  // namespace hotmic
