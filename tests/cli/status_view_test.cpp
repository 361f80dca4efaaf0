#include "cli/status_view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotmic::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(StatusView, ALoadingModelShowsHowFarItIs) {
    RemoteModel model{.name = "large", .state = "LOADING", .reason = "the model is loading: 500 of 1000 MB"};
    model.progress = 0.5;
    model.eta_seconds = 2.5;
    EXPECT_THAT(draw_status({model}, {}), AllOf(HasSubstr("large  LOADING"), HasSubstr("█░"), HasSubstr(" 50%"),
                                                HasSubstr("about 2.5 s to go"), HasSubstr("500 of 1000 MB")));
}

TEST(StatusView, AReadyModelShowsItsTimesAndWhatEachSlotDoes) {
    RemoteModel model{.name = "a", .state = "READY", .ready = true, .requests = 7};
    model.load_time_ms = 180;
    model.warmup_time_ms = 8500;
    model.mean_inference_ms = 612;
    model.waiting = 3;
    model.activity = {{.request = "req-1", .running_ms = 1500}, {.request = "canary", .background = true}, {}};
    EXPECT_THAT(draw_status({model}, {}),
                AllOf(HasSubstr("loaded in 180 ms, warm in 8.50 s, 7 requests of 612 ms"), HasSubstr("■▪□"),
                      HasSubstr("longest 1.50 s"), HasSubstr("3 waiting"), Not(HasSubstr("%"))));
    model.activity = {{.request = "req-1", .running_ms = 1500, .audio_seconds = 60, .audio_total_seconds = 600}};
    EXPECT_THAT(draw_status({model}, {}), HasSubstr("longest 1.50 s, 60 of 600 s"));
    model.activity[0].audio_total_seconds.reset();
    EXPECT_THAT(draw_status({model}, {}), HasSubstr("longest 1.50 s, 60 s heard"));
    model.warning = "2.3 × slower than usual here";
    EXPECT_THAT(draw_status({model}, {}), HasSubstr("2.3 × slower"));
}

TEST(StatusView, AFailedModelShowsWhyAndWhoServes) {
    RemoteModel model{.name = "a", .state = "ERROR", .reason = "a.bin ends early", .served_by = "b"};
    EXPECT_THAT(draw_status({model}, {}), AllOf(HasSubstr("served by b"), HasSubstr("a.bin ends early")));
}

TEST(StatusView, EventsComeWithTheirTimeOfDay) {
    const RemoteEvent event{.time = "2026-11-23T12:34:56.789Z",
                            .model = "a",
                            .from = "LOADING",
                            .to = "READY",
                            .cause = "warm",
                            .phase_ms = 412};
    EXPECT_EQ(describe(event), "12:34:56.789  a  LOADING → READY after 412 ms (warm)");
    EXPECT_THAT(draw_status({}, {event}), HasSubstr("LOADING → READY"));
}

}  // namespace
}  // namespace hotmic::cli
