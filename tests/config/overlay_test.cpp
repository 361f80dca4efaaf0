#include "config/overlay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotmic::config {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Model section() {
    Model model;
    model.path = "/models/a.bin";
    model.sha256 = std::string(64, 'a');
    model.slots = 2;
    return model;
}

std::string refusal(const std::map<std::string, Value>& keys) {
    const auto model = overlay(section(), keys, "large");
    if (model) return "(accepted)";
    EXPECT_EQ(model.error().code, ErrorCode::config_invalid);
    return model.error().describe();
}

TEST(ConfigOverlay, SetsWhatIsGivenAndKeepsTheRest) {
    const auto model = overlay(section(), {{"provider", "whisper_cpp"},
                                           {"threads", std::int64_t{3}},
                                           {"flash_attention", false},
                                           {"warmup.level", std::int64_t{1}},
                                           {"supervise.canary_latency_factor", 2.5}});
    ASSERT_TRUE(model) << model.error().describe();
    EXPECT_EQ(model->provider, "whisper_cpp");
    EXPECT_EQ(model->threads, 3);
    EXPECT_FALSE(model->flash_attention);
    EXPECT_EQ(model->lifecycle.warmup.level, 1);
    EXPECT_EQ(model->lifecycle.supervise.canary_latency_factor, 2.5);
    EXPECT_EQ(model->path, section().path);
    EXPECT_EQ(model->sha256, section().sha256);
    EXPECT_EQ(model->slots, 2);
}

TEST(ConfigOverlay, NothingGivenIsTheSectionItself) {
    const auto model = overlay(section(), {});
    ASSERT_TRUE(model) << model.error().describe();
    EXPECT_EQ(model->path, section().path);
    EXPECT_EQ(model->sha256, section().sha256);
}

TEST(ConfigOverlay, ADigestBelongsToItsFile) {
    EXPECT_EQ(overlay(section(), {{"path", "/models/b.bin"}})->sha256, "");
    EXPECT_EQ(overlay(section(), {{"path", "/models/a.bin"}})->sha256, section().sha256);
    EXPECT_EQ(overlay(section(), {{"path", "/models/b.bin"}, {"sha256", std::string(64, 'B')}})->sha256,
              std::string(64, 'b'));
    EXPECT_EQ(overlay(section(), {{"path", ""}})->sha256, "");
}

TEST(ConfigOverlay, RefusesAsAFileWould) {
    EXPECT_THAT(refusal({{"pth", "x"}}), AllOf(HasSubstr("no key pth"), HasSubstr("did you mean path?")));
    EXPECT_THAT(refusal({{"server.port", std::int64_t{1}}}), HasSubstr("no key server.port"));
    EXPECT_THAT(refusal({{"slots", std::int64_t{1000}}}),
                HasSubstr("slots: expected an integer from 0 to 256, found an integer 1000"));
    EXPECT_THAT(refusal({{"slots", "two"}}), HasSubstr("found a string \"two\""));
    EXPECT_THAT(refusal({{"slots", "two"}, {"pth", "x"}}), AllOf(HasSubstr("2 problems"), HasSubstr("pth")));
    EXPECT_THAT(refusal({{"provider", "pocketsphinx"}, {"backend", "gpu"}}),
                AllOf(HasSubstr("models.large.backend (asked for)"), HasSubstr("models.large.provider")));
}

TEST(ConfigOverlay, DefaultsGiveWayAndSetValuesContradict) {
    const auto model = overlay(section(), {{"load_timeout_ms", std::int64_t{500}}});
    ASSERT_TRUE(model) << model.error().describe();
    EXPECT_EQ(model->lifecycle.stall_timeout.count(), 500);
    EXPECT_THAT(refusal({{"load_timeout_ms", std::int64_t{500}}, {"stall_timeout_ms", std::int64_t{600}}}),
                AllOf(HasSubstr("load_timeout_ms"), HasSubstr("stall_timeout_ms")));
}

TEST(ConfigOverlay, WhatIsOfTheNameIsNotSwapped) {
    for (const auto* key : {"aliases", "fallback"}) {
        EXPECT_THAT(refusal({{key, std::vector<std::string>{"x"}}}),
                    AllOf(HasSubstr("is not changed by a swap"), HasSubstr(std::string("models.large.") + key)));
    }
    EXPECT_THAT(refusal({{"required", false}}), HasSubstr("is not changed by a swap"));
    EXPECT_THAT(refusal({{"load", "demand"}}), HasSubstr("is not changed by a swap"));
}

}  // namespace
}  // namespace hotmic::config
