#include "lifecycle/fingerprint.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <format>
#include <fstream>

namespace hotmic {
namespace {

namespace fs = std::filesystem;

class Fingerprint : public ::testing::Test {
protected:
    void SetUp() override { fs::create_directories(folder_ / "part"); }
    void TearDown() override { fs::remove_all(folder_); }
    void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
    const fs::path folder_ = fs::temp_directory_path() / std::format("hotmic-fingerprint-{}", ::getpid());
};

TEST_F(Fingerprint, AFolderIsWhatIsInIt) {
    EXPECT_FALSE(fingerprint_of(folder_ / "none").exists);
    write("part/weights", "weights");
    const auto first = fingerprint_of(folder_);
    EXPECT_TRUE(first.exists);
    EXPECT_EQ(fingerprint_of(folder_), first);
    const auto folder_time = fs::last_write_time(folder_);

    write("part/weights", "weigh_s");  // mended in place: the same size
    fs::last_write_time(folder_ / "part/weights", first.modified + std::chrono::seconds(1));
    EXPECT_EQ(fs::last_write_time(folder_), folder_time) << "of the folder itself nothing has changed";
    const auto mended = fingerprint_of(folder_);
    EXPECT_NE(mended, first);

    fs::rename(folder_ / "part/weights", folder_ / "part/other");
    EXPECT_NE(fingerprint_of(folder_), mended) << "a name counts, too";
}

}  // namespace
}  // namespace hotmic
