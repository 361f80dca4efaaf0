/// Media that never ends: what it may cost, and how it is ended.
#include <time.h>

#include <thread>

#include "audio/budget.hpp"
#include "audio/forged_media.hpp"
#include "audio/media_fixture.hpp"

namespace hotmic {
namespace {

double cpu_seconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void spend(audio::Budget& budget, double seconds) {
    const audio::Budget::Spending spending(budget);
    const double until = cpu_seconds() + seconds;
    while (cpu_seconds() < until) {
    }
}

TEST(Budget, IsWhatThereIsToBeginWithAndWhatTheAudioEarns) {
    audio::Budget budget({.cpu_time = Seconds(0.02)});
    EXPECT_TRUE(budget.check());
    spend(budget, 0.05);
    audio::Budget earned({.cpu_time = Seconds(0.02)});
    earned.earned(Seconds(100));
    spend(earned, 0.05);
    EXPECT_TRUE(earned.check());
    const auto over = budget.check();
    ASSERT_FALSE(over);
    EXPECT_EQ(over.error().code, ErrorCode::audio_too_costly);
    budget.earned(Seconds(1e6));
    EXPECT_FALSE(budget.check()) << "what has been given up stays so";
}

TEST(Budget, TimeBetweenReadsIsNobodys) {
    audio::Budget budget({.cpu_time = Seconds(0.02)});
    spend(budget, 0.001);
    const double until = cpu_seconds() + 0.05;
    while (cpu_seconds() < until) {
    }
    EXPECT_TRUE(budget.check());
}

TEST(Budget, BytesAreReadForTheSakeOfAudio) {
    audio::Budget budget({});
    for (int i = 0; i < 10; ++i) {
        budget.read(40 << 20);
        budget.earned(Seconds(i + 1));
    }
    EXPECT_TRUE(budget.check());
    budget.read(80 << 20);
    const auto over = budget.check();
    ASSERT_FALSE(over);
    EXPECT_THAT(over.error().message, HasSubstr("MiB of its bytes"));
}

TEST(Costly, CuesInDescendingOrderAreNotSorted) {
    const auto media = forged::descending_cues(300'000);  // sorting these takes minutes
    const double before = cpu_seconds();
    const auto samples = decode(bytes_of(media));
    ASSERT_TRUE(samples) << samples.error().describe();
    EXPECT_EQ(samples->size(), 1600U);
    EXPECT_LT(cpu_seconds() - before, 5);
}

/// What takes a parser long by its size alone, and gives nothing.
TEST_F(MadeMedia, SearchingForWhatNeverComesIsGivenUp) {
    std::string pages = made("-c:a libopus", "a.ogg").substr(0, 200);
    while (pages.size() < 40U << 20) pages += "OggS";
    const double before = cpu_seconds();
    EXPECT_EQ(error_of(bytes_of(pages), {.cpu_time = Seconds(0.3)}), ErrorCode::audio_too_costly);
    EXPECT_LT(cpu_seconds() - before, 5);
}

TEST_F(MadeMedia, DecodingCanBeInterrupted) {
    const auto media = bytes_of(made("-ar 44100", "a.mp3"));
    std::stop_source stop;
    auto source = open_media(media, {.stop = stop.get_token()});
    ASSERT_TRUE(source) << source.error().describe();
    std::vector<float> samples(100);
    ASSERT_TRUE((*source)->read(samples));
    stop.request_stop();
    std::vector<float> rest(original_.size());
    const auto more = (*source)->read(rest);
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, ErrorCode::cancelled);
    EXPECT_EQ(error_of(media, {.stop = stop.get_token()}), ErrorCode::cancelled);
}

}  // namespace
}  // namespace hotmic
