#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "system/memory.hpp"

namespace hotmic::system {
namespace {

namespace fs = std::filesystem;

/// A cgroup hierarchy on disk, as the kernel would show it.
class CgroupTree : public testing::Test {
protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / ("hotmic-cgroup-" + std::to_string(getpid()));
        fs::create_directories(root_);
    }
    void TearDown() override { fs::remove_all(root_); }

    void write(const fs::path& file, std::string_view text) {
        fs::create_directories((root_ / file).parent_path());
        std::ofstream(root_ / file) << text;
    }
    [[nodiscard]] std::optional<Bytes> left() const { return cgroup_memory_left(root_ / "self", root_ / "mount"); }

    fs::path root_;
};

TEST_F(CgroupTree, Version2CountsDroppableCacheAsLeft) {
    write("self", "0::/app\n");
    write("mount/app/memory.max", "1000\n");
    write("mount/app/memory.current", "700\n");
    write("mount/app/memory.stat", "anon 300\ninactive_file 200\n");
    EXPECT_EQ(left(), Bytes(500));
}

TEST_F(CgroupTree, Version1IsReadFromTheMemoryController) {
    write("self", "5:cpu:/x\n4:memory:/app\n");
    write("mount/memory/app/memory.limit_in_bytes", "1000");
    write("mount/memory/app/memory.usage_in_bytes", "400");
    EXPECT_EQ(left(), Bytes(600));
}

TEST_F(CgroupTree, TheTightestAncestorDecides) {
    write("self", "0::/outer/inner\n");
    write("mount/outer/inner/memory.max", "max");
    write("mount/outer/inner/memory.current", "10");
    write("mount/outer/memory.max", "100");
    write("mount/outer/memory.current", "90");
    EXPECT_EQ(left(), Bytes(10));
}

TEST_F(CgroupTree, UsageOverTheLimitLeavesNothing) {
    write("self", "0::/app\n");
    write("mount/app/memory.max", "100");
    write("mount/app/memory.current", "150");
    EXPECT_EQ(left(), Bytes(0));
}

TEST_F(CgroupTree, NoLimitIsNoAnswer) {
    write("self", "0::/\n");
    EXPECT_EQ(left(), std::nullopt);
}

TEST(Memory, ThisMachineHasMemory) {
    EXPECT_GT(available_memory(), mebibytes(1));
    EXPECT_GT(resident_memory(), mebibytes(1));
    EXPECT_EQ(resident_memory_of(-1), Bytes()) << "there is no such process";
}

}  // namespace
}  // namespace hotmic::system
