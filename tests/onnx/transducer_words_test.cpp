#include "asr/providers/onnx/transducer/words.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

TEST(TransducerWords, AreJoinedAsTheirScriptsAre) {
    const fs::path file = fs::temp_directory_path() / ("hotmic-pieces-" + std::to_string(getpid()));
    std::ofstream(file) << "<blk> 0\n<unk> 1\n▁HEL 2\nLO 3\n▁ 4\n世 5\n界 6\n<0xC3> 7\n<0xA9> 8\n'S 9\n";
    const auto pieces = Pieces::read(file).value();
    fs::remove(file);
    const auto text = [&](const std::vector<Piece>& emitted) {
        std::vector<EmittedPiece> all;
        for (const auto piece : emitted) all.push_back({piece, static_cast<std::int32_t>(10 * all.size()), 0});
        return text_of(words_of(all, pieces, Seconds(0.04), Seconds(100)));
    };
    EXPECT_EQ(text({2, 3, 9, 2}), "HELLO'S HEL");
    EXPECT_EQ(text({5, 6, 2, 3, 5}), "世界 HELLO 世");
    EXPECT_EQ(text({2, 7, 8}), "HELé");
    EXPECT_EQ(text({2, 7}), "HEL\uFFFD");
    EXPECT_EQ(text({4, 3, 1}), "LO");
    EXPECT_EQ(text({4}), "");
    EXPECT_EQ(text({}), "");
    EXPECT_EQ(pieces.unknown(), 1);
}

}  // namespace
}  // namespace hotmic::onnx
