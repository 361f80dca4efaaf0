#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "hotmic/memory_broker.hpp"
#include "lifecycle/memory_info.hpp"

namespace hotmic {
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
    [[nodiscard]] std::optional<std::uint64_t> left() const {
        return cgroup_memory_left(root_ / "self", root_ / "mount");
    }

    fs::path root_;
};

TEST_F(CgroupTree, Version2CountsDroppableCacheAsLeft) {
    write("self", "0::/app\n");
    write("mount/app/memory.max", "1000\n");
    write("mount/app/memory.current", "700\n");
    write("mount/app/memory.stat", "anon 300\ninactive_file 200\n");
    EXPECT_EQ(left(), 500u);
}

TEST_F(CgroupTree, Version1IsReadFromTheMemoryController) {
    write("self", "5:cpu:/x\n4:memory:/app\n");
    write("mount/memory/app/memory.limit_in_bytes", "1000");
    write("mount/memory/app/memory.usage_in_bytes", "400");
    EXPECT_EQ(left(), 600u);
}

TEST_F(CgroupTree, TheTightestAncestorDecides) {
    write("self", "0::/outer/inner\n");
    write("mount/outer/inner/memory.max", "max");
    write("mount/outer/inner/memory.current", "10");
    write("mount/outer/memory.max", "100");
    write("mount/outer/memory.current", "90");
    EXPECT_EQ(left(), 10u);
}

TEST_F(CgroupTree, UsageOverTheLimitLeavesNothing) {
    write("self", "0::/app\n");
    write("mount/app/memory.max", "100");
    write("mount/app/memory.current", "150");
    EXPECT_EQ(left(), 0u);
}

TEST_F(CgroupTree, NoLimitIsNoAnswer) {
    write("self", "0::/\n");
    EXPECT_EQ(left(), std::nullopt);
}

TEST(MemoryBroker, TwoReservationsNeverCountTheSameBytes) {
    MemoryBroker broker([] { return std::uint64_t{100} << 20; });
    auto first = broker.reserve(60 << 20, "model a");
    ASSERT_TRUE(first);
    const auto second = broker.reserve(60 << 20, "model b");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::insufficient_memory);
    EXPECT_NE(second.error().message.find("model b needs 60 MB and 40 MB are available"), std::string::npos)
        << second.error().message;
    *first = {};
    EXPECT_TRUE(broker.reserve(60 << 20, "model b"));
}

TEST(MemoryBroker, ASettledReservationIsCountedNoLonger) {
    MemoryBroker broker([] { return std::uint64_t{100}; });
    auto claim = broker.reserve(100, "model");
    ASSERT_TRUE(claim);
    EXPECT_EQ(broker.reserved(), 100u);
    claim->settle();
    EXPECT_EQ(broker.reserved(), 0u);
}

TEST(MemoryBroker, WhatIsResidentIsNotClaimedASecondTime) {
    MemoryBroker broker([] { return std::uint64_t{1000}; });
    auto claim = broker.reserve(600, "one");
    ASSERT_TRUE(claim);
    claim->note_resident(500);
    EXPECT_EQ(broker.reserved(), 100u) << "only what is still to come";
    claim->note_resident(700);
    EXPECT_EQ(broker.reserved(), 0u) << "more than was estimated";
    claim->note_resident(450);
    EXPECT_EQ(broker.reserved(), 150u) << "some was given back";
    MemoryBroker::Reservation moved = *std::move(claim);
    moved.settle();
    EXPECT_EQ(broker.reserved(), 0u);
    moved.note_resident(0);
    EXPECT_EQ(broker.reserved(), 0u) << "what is settled stays settled";
}

TEST(MemoryInfo, ThisMachineHasMemory) {
    EXPECT_GT(available_memory(), 1u << 20);
    EXPECT_GT(resident_memory(), 1u << 20);
}

}  // namespace
}  // namespace hotmic
