/// A backend that does not repeat itself, or does not hear what was said, is found out.
#include "lifecycle/truth.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audio/clip.hpp"
#include "lifecycle/manager_fixture.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using enum ModelState;

Transcript heard(const std::string& text, double temperature = 0) {
    return {.text = text, .segments = {{.text = text, .temperature = temperature}}};
}

TEST(Truth, TheSameWordsAgainAreTrueWhateverTheirSpelling) {
    Truth truth(Validate::transcribes, "one two three", 0.5, "GPU");
    EXPECT_FALSE(truth.judge(heard("One two three.")));
    EXPECT_FALSE(truth.judge(heard("one, two, three")));
}

TEST(Truth, OtherWordsTheSecondTimeDisqualifyAndAreShown) {
    Truth truth(Validate::transcribes, "one two three", 0.5, "Vulkan0 (llvmpipe)");
    EXPECT_FALSE(truth.judge(heard("one two three")));
    const auto why = truth.judge(heard("one two four"));
    ASSERT_TRUE(why);
    EXPECT_EQ(why->code, ErrorCode::disqualified);
    EXPECT_THAT(why->message, AllOf(HasSubstr("Vulkan0 (llvmpipe) does not repeat itself"), HasSubstr("one two three"),
                                    HasSubstr("one two four")));
}

TEST(Truth, AModelThatKnowsNothingOfTheClipMustStillRepeatItself) {
    Truth truth(Validate::runs, "", 0.5, "GPU");
    EXPECT_FALSE(truth.judge(heard("la la")));
    EXPECT_TRUE(truth.judge(heard("la")));
}

TEST(Truth, WordsThatWereDrawnMayBeOthers) {
    Truth truth(Validate::runs, "", 0.5, "GPU");
    EXPECT_FALSE(truth.judge(heard("la la", 0.4)));
    EXPECT_FALSE(truth.judge(heard("lo lo", 0.6)));
}

TEST(Truth, ABeamMayHearALittleOtherwiseAndNotNonsense) {
    Truth truth(Validate::transcribes, "one two three four", 0.5, "GPU");
    EXPECT_FALSE(truth.judge(heard("one two three four")));
    EXPECT_FALSE(truth.judge(heard("one two three for"), {.beam_size = 5}));
    const auto why = truth.judge(heard("up up up"), {.beam_size = 5});
    ASSERT_TRUE(why);
    EXPECT_THAT(why->message, HasSubstr("does not hear what was said"));
    EXPECT_FALSE(truth.judge(heard("up up up"), {.prompt = "word word"})) << "a prompt may lead it astray";
}

TEST(Truth, WhoWantsNoValidationGetsNone) {
    Truth truth(Validate::off, "one", 0.5, "GPU");
    EXPECT_FALSE(truth.judge(heard("one")));
    EXPECT_FALSE(truth.judge(heard("two")));
}

class Liars : public ManagerFixture {
protected:
    ModelManager& make_with_cpu(const std::string& path, const LifecycleOptions& options) {
        const ModelSpec spec{.provider = "fake", .path = path};
        auto on_cpu = spec;
        on_cpu.backend = "cpu";
        const auto provider = testing::make_fake_provider(record_);
        manager_.emplace("m", spec, provider, options, broker_, journal_, std::vector<Alternative>{{on_cpu, provider}});
        return *manager_;
    }
};

TEST_F(Liars, AFirstAnswerThatIsRightIsNotEnoughForReady) {
    auto options = quick();
    options.warmup.level = 2;
    auto& manager = make("fake:lies=1", options);
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::disqualified);
    EXPECT_THAT(result.error().message, AllOf(HasSubstr("level 1"), HasSubstr("GPU"), HasSubstr("up up up")));
    EXPECT_THAT(states(), ElementsAre(loading, warming_up, error));
    EXPECT_EQ(record_->models, 0);
}

TEST_F(Liars, LevelOneAsksADeviceOftenAndACpuOnce) {
    auto options = quick();
    options.warmup.level = 1;
    auto& manager = make_with_cpu("fake:lies=4", options);
    (void)manager.initialize(deadline_in(kLong));
    (void)await(ready);
    EXPECT_THAT(manager.health().passed_over, AllOf(HasSubstr("level 1"), HasSubstr("up up up")));
    EXPECT_EQ(manager.health().info->backend, "CPU");
    EXPECT_EQ(manager.warmup_report()->levels.at(0).inferences, 1);
}

TEST_F(Liars, TheNextWayIsTakenAndTheReasonKept) {
    auto options = quick();
    options.warmup.level = 2;
    auto& manager = make_with_cpu("fake:lies=1", options);
    (void)manager.initialize(deadline_in(kLong));
    (void)await(ready);
    EXPECT_EQ(manager.health().info->backend, "CPU");
    EXPECT_THAT(manager.health().passed_over, AllOf(HasSubstr("fake on auto"), HasSubstr("up up up")));
    EXPECT_THAT(states(), ElementsAre(loading, warming_up, error, loading, warming_up, ready));
    EXPECT_EQ(manager.acquire()->transcribe(request())->text, audio::builtin_clip().text);
}

TEST_F(Liars, ALieAfterReadyIsFoundByCanariesAndTheNextWayTaken) {
    auto options = quick();
    options.supervise.canary_interval = 5ms;
    auto& manager = make_with_cpu("fake:lies=7", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto found = await(error);
    EXPECT_THAT(found.cause, AllOf(HasSubstr("disqualified"), HasSubstr("does not repeat itself")));
    (void)await(ready, found.sequence);
    EXPECT_EQ(manager.health().info->backend, "CPU");
}

TEST_F(Liars, AnUnloadForgetsWhatWasPassedOver) {
    auto options = quick();
    options.warmup.level = 2;
    auto& manager = make_with_cpu("fake:lies=1", options);
    (void)manager.initialize(deadline_in(kLong));
    (void)await(ready);
    ASSERT_TRUE(manager.unload(deadline_in(kLong)));
    EXPECT_EQ(manager.health().passed_over, "");
}

}  // namespace
}  // namespace hotmic
