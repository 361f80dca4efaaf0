#include "asr/compression_ratio.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hotmic {
namespace {

TEST(CompressionRatio, TellsRepetitionFromSpeech) {
    std::string repeated;
    for (int i = 0; i < 50; ++i) repeated += "thank you. ";
    EXPECT_GT(compression_ratio(repeated), 2.4) << "OpenAI's threshold for a decoding loop";
    EXPECT_LT(compression_ratio("the quick brown fox jumps over the lazy dog"), 1.5);
    EXPECT_EQ(compression_ratio(""), 0);
}

}  // namespace
}  // namespace hotmic
