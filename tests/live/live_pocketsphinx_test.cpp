#include <gmock/gmock.h>

#include "live/live_fixture.hpp"

namespace hotmic {
namespace {

using Kind = LiveEvent::Kind;
using ::testing::HasSubstr;

/// The real engine on real speech.
class LivePocketSphinx : public Live {
protected:
    void SetUp() override { serve(1); }
    void serve(int slots) {
        const auto provider = builtin_providers().find("pocketsphinx");
        ASSERT_TRUE(provider);
        manager_.emplace("m", ModelSpec{.provider = "pocketsphinx", .path = {}, .slots = slots}, *provider, quick(),
                         broker_, journal_);
        ASSERT_TRUE(manager_->initialize(deadline_in(kLong)));
    }
};

TEST_F(LivePocketSphinx, HearsTheClipTwiceAsOneRecordingWouldBeHeard) {
    const auto clip = speech(audio::builtin_clip().length.count());
    const auto batch = manager_->acquire()->transcribe({.audio = source_from_samples(clip)});
    ASSERT_TRUE(batch);
    const auto stream = open();
    for (int i = 0; i < 2; ++i) {
        push(*stream, silence(1));
        push(*stream, clip);
    }
    push(*stream, silence(1));
    stream->finish();
    told_.await(Kind::ended);
    std::string text;
    Seconds last_end(0);
    for (const auto& final : told_.of(Kind::final)) {
        EXPECT_GE(final.start, last_end);
        last_end = final.end;
        for (const auto& word : final.words) {
            EXPECT_GE(word.start.count(), final.start.count() - 0.05);
            EXPECT_LE(word.end.count(), final.end.count() + 0.05);
        }
        text += (text.empty() ? "" : " ") + final.text;
    }
    EXPECT_THAT(text, HasSubstr("the weather is fine today"));
    EXPECT_THAT(text, HasSubstr("ready to begin the meeting"));
    EXPECT_GT(last_end, Seconds(1) + audio::builtin_clip().length + Seconds(1));
}

TEST_F(LivePocketSphinx, ItsPartialsGoOnWhereTheyWereAndItsFinalIsThatOfTheFile) {
    serve(2);
    const auto clip = speech(audio::builtin_clip().length.count());
    const auto batch = manager_->acquire()->transcribe({.audio = source_from_samples(clip)});
    const auto stream = open({.endpointing = {}});
    told_.await(Kind::model_ready);
    const auto half = clip.size() / 2;
    push(*stream, std::span(clip).first(half));
    EXPECT_THAT(told_.await(Kind::partial).text, ::testing::Not(::testing::IsEmpty()));
    push(*stream, std::span(clip).subspan(half));
    stream->finish();
    EXPECT_EQ(told_.await(Kind::final).text, batch->text);
}

}  // namespace
}  // namespace hotmic
