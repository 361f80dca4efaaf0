#include "server/http/respond_once.hpp"

#include <gtest/gtest.h>

namespace hotmic::http {
namespace {

TEST(RespondOnce, TheFirstAnswerCounts) {
    std::vector<int> answers;
    {
        const auto respond =
            respond_once([&](const std::optional<Response>& response) { answers.push_back(response->status); });
        respond({.status = 200});
        respond({.status = 500});
    }
    EXPECT_EQ(answers, (std::vector<int>{200}));
}

TEST(RespondOnce, WhereTheLastCopyGoesUncalledThereIsNone) {
    int nothing = 0;
    {
        auto respond = respond_once([&](const std::optional<Response>& response) { nothing += response ? 0 : 1; });
        const auto copy = respond;
        respond = nullptr;
        EXPECT_EQ(nothing, 0) << "a copy is left";
    }
    EXPECT_EQ(nothing, 1);
}

}  // namespace
}  // namespace hotmic::http
