#include "telemetry/systemd_journal.hpp"

#include <gmock/gmock.h>

namespace hotmic::telemetry {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> fields_of(std::string_view message) {
    return journal_fields(spdlog::level::info, message);
}

TEST(JournalFields, AreThoseOfTheMessagesPairs) {
    const std::string message = "recognized request=abc-1 caller=ci instance=default-7 slot=0 model=large";
    EXPECT_THAT(fields_of(message),
                IsSupersetOf({"MESSAGE=" + message, std::string("PRIORITY=6"), std::string("SYSLOG_IDENTIFIER=hotmic"),
                              std::string("REQUEST_ID=abc-1"), std::string("CALLER=ci"),
                              std::string("INSTANCE_ID=default-7"), std::string("MODEL=large")}));
    EXPECT_THAT(fields_of("request=a"), Contains("REQUEST_ID=a"));
}

TEST(JournalFields, WhatIsQuotedHoldsNone) {
    const auto forged =
        fields_of(R"(request failed code=x message="a request=forged \" model=forged" path="instance=forged")");
    EXPECT_THAT(forged, Not(Contains(StartsWith("REQUEST_ID="))));
    EXPECT_THAT(forged, Not(Contains(StartsWith("MODEL="))));
    EXPECT_THAT(forged, Not(Contains(StartsWith("INSTANCE_ID="))));
    EXPECT_THAT(fields_of("says \"request=forged\" request=real"), Contains("REQUEST_ID=real"));
    EXPECT_THAT(fields_of("request=real request=forged"), Not(Contains("REQUEST_ID=forged")));
    EXPECT_THAT(fields_of("subrequest=a"), Not(Contains(StartsWith("REQUEST_ID="))));
}

TEST(JournalFields, AreLeftOutWithoutAValue) {
    for (const auto* message : {"request=- x", "request= x", "request=", "=", "\"", "request=\"", "a=\"\\", ""})
        EXPECT_THAT(fields_of(message),
                    ElementsAre(std::string("MESSAGE=") + message, "PRIORITY=6", "SYSLOG_IDENTIFIER=hotmic"));
}

TEST(JournalFields, PrioritiesAreThoseOfSyslog) {
    using spdlog::level::level_enum;
    const auto priority = [](level_enum level) { return journal_fields(level, "m")[1]; };
    EXPECT_EQ(priority(spdlog::level::err), "PRIORITY=3");
    EXPECT_EQ(priority(spdlog::level::warn), "PRIORITY=4");
    EXPECT_EQ(priority(spdlog::level::debug), "PRIORITY=7");
}

TEST(JournalStream, IsTheOneThatIsNamed) {
    ::setenv("JOURNAL_STREAM", "0:1", 1);
    EXPECT_FALSE(stderr_is_journal());
    ::unsetenv("JOURNAL_STREAM");
    EXPECT_FALSE(stderr_is_journal());
}

}  // namespace
}  // namespace hotmic::telemetry
