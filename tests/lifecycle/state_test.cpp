#include <gtest/gtest.h>

#include <array>

#include "hotmic/error.hpp"
#include "hotmic/state.hpp"

namespace hotmic {
namespace {

using enum ModelState;
constexpr std::array kAll{uninitialized, loading, warming_up, ready, error, unloading};

TEST(TransitionTable, UnloadingCanBeEnteredFromEveryStateButUninitialized) {
    for (const auto from : kAll) {
        EXPECT_EQ(is_allowed(from, unloading), from != uninitialized && from != unloading) << to_string(from);
    }
}

TEST(TransitionTable, ReadyIsReachedOnlyFromLoadingOrWarmingUp) {
    for (const auto from : kAll)
        EXPECT_EQ(is_allowed(from, ready), from == loading || from == warming_up) << to_string(from);
}

TEST(TransitionTable, UninitializedIsReachedOnlyThroughUnloading) {
    for (const auto from : kAll) EXPECT_EQ(is_allowed(from, uninitialized), from == unloading) << to_string(from);
}

TEST(TransitionTable, LoadingBeginsOnlyFromUninitializedOrError) {
    for (const auto from : kAll)
        EXPECT_EQ(is_allowed(from, loading), from == uninitialized || from == error) << to_string(from);
}

TEST(TransitionTable, NoStateLeadsToItself) {
    for (const auto state : kAll) EXPECT_FALSE(is_allowed(state, state)) << to_string(state);
}

TEST(TransitionTable, EveryStateCanBeLeft) {
    for (const auto from : kAll) {
        bool way_out = false;
        for (const auto to : kAll) way_out = way_out || is_allowed(from, to);
        EXPECT_TRUE(way_out) << to_string(from);
    }
}

TEST(ErrorTable, EveryRowIsComplete) {
    for (const auto& row : error_table()) {
        EXPECT_FALSE(row.name.empty());
        EXPECT_FALSE(row.meaning.empty()) << row.name;
        EXPECT_GE(row.http_status, 400) << row.name;
        EXPECT_LT(row.http_status, 600) << row.name;
        EXPECT_FALSE(row.openai_type.empty()) << row.name;
        EXPECT_EQ(&spec_of(row.code), &row);
        EXPECT_GE(exit_code_of(row.code), 1);
        EXPECT_NE(exit_code_of(row.code), 2) << "2 is for wrong usage";
    }
}

TEST(ErrorTable, DescribeJoinsMessageAndRemedy) {
    EXPECT_EQ((Error{ErrorCode::audio_empty, "the upload has 0 bytes", "send a file"}.describe()),
              "the upload has 0 bytes; send a file");
    EXPECT_EQ((Error{ErrorCode::audio_empty, "the upload has 0 bytes"}.describe()), "the upload has 0 bytes");
}

}  // namespace
}  // namespace hotmic
