#include "asr/limits.hpp"

#include <gmock/gmock.h>

namespace hotmic {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Limits, EveryWordOfARequestHasASize) {
    for (const auto* field : {"language", "prompt", "model", "temperature", "chunking_strategy", "anything"}) {
        const std::string fits(most_bytes_of(field), 'x');
        EXPECT_TRUE(check_size(field, fits)) << field;
        const auto refused = check_size(field, fits + "x");
        ASSERT_FALSE(refused) << field;
        EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
        EXPECT_EQ(refused.error().param, field);
        EXPECT_THAT(refused.error().message, Not(HasSubstr("xxxx"))) << "an error is no place for what was too large";
    }
}

TEST(Limits, OptionsAreHeldToThemWhateverWayTheyCame) {
    EXPECT_TRUE(check_sizes({.language = "german", .prompt = std::string(30'000, 'p')}));
    EXPECT_EQ(check_sizes({.language = std::string(17 << 20, 'l')}).error().param, "language");
    EXPECT_EQ(check_sizes({.prompt = std::string(17 << 20, 'p')}).error().param, "prompt");
}

}  // namespace
}  // namespace hotmic
