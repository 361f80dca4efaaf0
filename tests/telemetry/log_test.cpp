#include "telemetry/log.hpp"

#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include <glaze/glaze.hpp>

namespace hotmic::telemetry {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

/// What `write` makes the logger put on standard error.
std::string logged(const std::string& level, const std::string& format, const auto& write) {
    testing::internal::CaptureStderr();
    setup_logging(level, format);
    write();
    spdlog::default_logger()->flush();
    return testing::internal::GetCapturedStderr();
}

TEST(Log, TextIsTimeLevelAndMessage) {
    const auto line = logged("info", "text", [] { spdlog::info("model state model=default to=READY"); });
    EXPECT_THAT(line, MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9:.]+ +.*info.* model state model=default to=READY\n"));
}

TEST(Log, NothingBelowTheLevelIsWritten) {
    const auto lines = logged("warn", "text", [] {
        spdlog::info("quiet");
        spdlog::warn("loud");
    });
    EXPECT_FALSE(lines.contains("quiet"));
    EXPECT_THAT(lines, HasSubstr("loud"));
}

TEST(Log, JsonIsOneObjectALineWhateverTheMessageHolds) {
    const std::string message = "tab\t quote\" back\\slash line\nbreak \x01 ü";
    const auto line = logged("info", "json", [&] { spdlog::info("{}", message); });
    ASSERT_TRUE(line.ends_with('\n'));
    EXPECT_EQ(std::ranges::count(line, '\n'), 1);
    const auto object = glz::read_json<glz::generic>(line);
    ASSERT_TRUE(object) << line;
    EXPECT_EQ((*object)["message"].get<std::string>(), message);
    EXPECT_EQ((*object)["level"].get<std::string>(), "info");
    EXPECT_THAT((*object)["time"].get<std::string>(), MatchesRegex(".*T.*[+-][0-9][0-9]:[0-9][0-9]"));
}

TEST(Log, JsonIsValidWhateverBytesAnEnginePrinted) {
    const auto line = logged("info", "json", [] { spdlog::info("engine\xFFsays"); });
    const auto object = glz::read_json<glz::generic>(line);
    ASSERT_TRUE(object) << line;
    EXPECT_EQ((*object)["message"].get<std::string>(), "engine\xEF\xBF\xBDsays");
}

}  // namespace
}  // namespace hotmic::telemetry
