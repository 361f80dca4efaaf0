#include "telemetry/metrics.hpp"

#include <gmock/gmock.h>

namespace hotmic::telemetry {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string_view> kCodes{"queue_full", "audio_empty"};
const std::vector<std::string_view> kStates{"LOADING", "READY", "ERROR"};

TEST(Metrics, EveryErrorCodeHasASeriesFromTheStart) {
    const Metrics metrics(kCodes, "1.2.3");
    EXPECT_THAT(metrics.text(), AllOf(HasSubstr("hotmic_errors_total{code=\"queue_full\"} 0\n"),
                                      HasSubstr("hotmic_errors_total{code=\"audio_empty\"} 0\n"),
                                      HasSubstr("hotmic_build_info{version=\"1.2.3\"} 1\n"),
                                      HasSubstr("hotmic_requests_in_flight 0\n")));
}

TEST(Metrics, RequestsAreCountedByRouteAndStatus) {
    Metrics metrics(kCodes, "");
    metrics.request("/health", 200, Seconds(0.003));
    metrics.request("/health", 200, Seconds(0.003));
    metrics.request("/health", 503, Seconds(0.2));
    EXPECT_THAT(metrics.text(),
                AllOf(HasSubstr("hotmic_http_requests_total{route=\"/health\",status=\"200\"} 2\n"),
                      HasSubstr("hotmic_http_requests_total{route=\"/health\",status=\"503\"} 1\n"),
                      HasSubstr("hotmic_http_request_duration_seconds_count{route=\"/health\"} 3\n"),
                      HasSubstr("hotmic_http_request_duration_seconds_bucket{route=\"/health\",le=\"0.005\"} 2\n")));
}

TEST(Metrics, ErrorsAreCountedByCode) {
    Metrics metrics(kCodes, "");
    metrics.error("queue_full");
    EXPECT_THAT(metrics.text(), AllOf(HasSubstr("hotmic_errors_total{code=\"queue_full\"} 1\n"),
                                      HasSubstr("hotmic_errors_total{code=\"audio_empty\"} 0\n")));
}

TEST(Metrics, ARecognitionTellsItsWaitItsTimeAndItsRealTimeFactor) {
    Metrics metrics(kCodes, "");
    metrics.recognition("default", Seconds(0.5), Seconds(2), Seconds(8));
    metrics.decoding("default", {{"window_5s", 2}}, Seconds(1.5));
    metrics.detection("default", 0.97);
    EXPECT_THAT(metrics.text(),
                AllOf(HasSubstr("hotmic_queue_wait_seconds_sum{model=\"default\"} 0.5\n"),
                      HasSubstr("hotmic_inference_seconds_sum{model=\"default\"} 2\n"),
                      HasSubstr("hotmic_real_time_factor_sum{model=\"default\"} 0.25\n"),
                      HasSubstr("hotmic_audio_seconds_total{model=\"default\"} 8\n"),
                      HasSubstr("hotmic_language_probability_bucket{model=\"default\",le=\"0.95\"} 0\n"),
                      HasSubstr("hotmic_language_probability_bucket{model=\"default\",le=\"0.99\"} 1\n"),
                      HasSubstr("hotmic_decoding_events_total{event=\"window_5s\",model=\"default\"} 2\n"),
                      HasSubstr("hotmic_uncovered_speech_seconds_total{model=\"default\"} 1.5\n")));
}

TEST(Metrics, AudioOfNoLengthHasNoRealTimeFactor) {
    Metrics metrics(kCodes, "");
    metrics.recognition("default", Seconds(0), Seconds(0.1), Seconds(0));
    EXPECT_THAT(metrics.text(), AllOf(HasSubstr("hotmic_inference_seconds_count{model=\"default\"} 1\n"),
                                      Not(HasSubstr("hotmic_real_time_factor_count"))));
}

TEST(Metrics, InFlightGoesUpAndDown) {
    Metrics metrics(kCodes, "");
    metrics.in_flight(+1);
    metrics.in_flight(+1);
    metrics.in_flight(-1);
    EXPECT_THAT(metrics.text(), HasSubstr("hotmic_requests_in_flight 1\n"));
}

TEST(Metrics, AModelIsInExactlyOneState) {
    Metrics metrics(kCodes, "");
    metrics.models({{.model = "default", .state = "LOADING", .all_states = kStates}});
    metrics.models({{.model = "default",
                     .state = "READY",
                     .all_states = kStates,
                     .load_time = Seconds(1.5),
                     .resident_bytes = 1024,
                     .slots = 4,
                     .slots_busy = 3,
                     .waiting = 7}});
    EXPECT_THAT(metrics.text(), AllOf(HasSubstr("hotmic_model_state{model=\"default\",state=\"LOADING\"} 0\n"),
                                      HasSubstr("hotmic_model_state{model=\"default\",state=\"READY\"} 1\n"),
                                      HasSubstr("hotmic_model_state{model=\"default\",state=\"ERROR\"} 0\n"),
                                      HasSubstr("hotmic_model_load_seconds{model=\"default\"} 1.5\n"),
                                      HasSubstr("hotmic_model_resident_bytes{model=\"default\"} 1024\n"),
                                      HasSubstr("hotmic_slots{model=\"default\",use=\"busy\"} 3\n"),
                                      HasSubstr("hotmic_slots{model=\"default\",use=\"free\"} 1\n"),
                                      HasSubstr("hotmic_queue_waiting{model=\"default\"} 7\n")));
}

TEST(Metrics, OfAModelThatIsGoneOnlyCountersAreLeft) {
    Metrics metrics(kCodes, "");
    metrics.models({{.model = "one", .state = "READY", .all_states = kStates},
                    {.model = "two", .state = "READY", .all_states = kStates}});
    metrics.recognition("two", Seconds(0), Seconds(1), Seconds(1));
    metrics.models({{.model = "one", .state = "READY", .all_states = kStates}});
    for (const auto* gauge : {"hotmic_model_state", "hotmic_model_load_seconds", "hotmic_model_warmup_seconds",
                              "hotmic_model_resident_bytes", "hotmic_slots", "hotmic_queue_waiting",
                              "hotmic_first_request_ratio", "hotmic_model_transitions"}) {
        EXPECT_THAT(metrics.text(), AllOf(HasSubstr(gauge + std::string("{model=\"one\"")),
                                          Not(HasSubstr(gauge + std::string("{model=\"two\"")))));
    }
    EXPECT_THAT(metrics.text(), HasSubstr("hotmic_audio_seconds_total{model=\"two\"} 1\n"));
    metrics.models({{.model = "one", .state = "READY", .all_states = kStates},
                    {.model = "two", .state = "LOADING", .all_states = kStates}});
    EXPECT_THAT(metrics.text(), HasSubstr("hotmic_model_state{model=\"two\",state=\"LOADING\"} 1\n"));
}

}  // namespace
}  // namespace hotmic::telemetry
