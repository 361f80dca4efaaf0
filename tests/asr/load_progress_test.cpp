#include "hotmic/load_progress.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "hotmic/units.hpp"

namespace hotmic {
namespace {

TEST(LoadProgress, TellsItsFractionOnceTheWholeIsKnown) {
    LoadProgress progress;
    EXPECT_EQ(progress.snapshot().fraction(), std::nullopt);
    progress.report(Bytes(5), {});
    EXPECT_EQ(progress.snapshot().fraction(), std::nullopt);
    progress.report(Bytes(5), Bytes(20));
    EXPECT_EQ(progress.snapshot().fraction(), 0.25);
    progress.report(Bytes(21), Bytes(20));
    EXPECT_EQ(progress.snapshot().fraction(), 1) << "a file that grew meanwhile";
}

TEST(LoadProgress, EveryReportIsASignOfLife) {
    LoadProgress progress;
    const auto before = progress.snapshot().beats;
    progress.report({}, {});
    progress.beat();
    progress.report_download(Bytes(1), Bytes(2));
    EXPECT_TRUE(progress.snapshot().downloading);
    progress.downloaded();
    EXPECT_FALSE(progress.snapshot().downloading);
    EXPECT_EQ(progress.snapshot().beats, before + 4);
}

}  // namespace
}  // namespace hotmic
