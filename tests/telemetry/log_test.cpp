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

TEST(Log, MegabytesOfSomebodysInputAreCut) {
    for (const std::string format : {"text", "json"}) {
        const auto lines = logged("info", format, [] {
            spdlog::info("language={}", std::string(std::size_t{17} << 20, 'x'));
            spdlog::info("{}", std::string(std::size_t{1} << 20, '\n'));
            spdlog::info("the next");
        });
        EXPECT_LT(lines.size(), 100'000u) << format;
        EXPECT_THAT(lines.substr(0, 200), HasSubstr("language=xxx"));
        EXPECT_THAT(lines.substr(lines.size() - 50), HasSubstr("the next"));
        if (format == "json") {
            const auto object = glz::read_json<glz::generic>(lines.substr(0, lines.find('\n')));
            EXPECT_TRUE(object);
        }
    }
}

TEST(Log, JsonIsValidWhateverBytesAnEnginePrinted) {
    const auto line = logged("info", "json", [] { spdlog::info("engine\xFFsays"); });
    const auto object = glz::read_json<glz::generic>(line);
    ASSERT_TRUE(object) << line;
    EXPECT_EQ((*object)["message"].get<std::string>(), "engine\xEF\xBF\xBDsays");
}

}  // namespace
}  // namespace hotmic::telemetry
