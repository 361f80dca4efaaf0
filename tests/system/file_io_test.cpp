#include "system/file_io.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "system/descriptor.hpp"

namespace hotmic::system {
namespace {

std::vector<std::byte> numbered(std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i % 251);
    return bytes;
}

TEST(FileIo, WhatIsWrittenIsReadAtAnyPlace) {
    const Descriptor file(memfd_create("file", MFD_CLOEXEC));
    const auto bytes = numbered(1000);
    ASSERT_TRUE(write_all(file.get(), bytes));
    std::vector<std::byte> back(500);
    EXPECT_EQ(read_at(file.get(), 250, back), 500);
    EXPECT_TRUE(std::ranges::equal(back, std::span(bytes).subspan(250, 500)));
    EXPECT_EQ(read_at(file.get(), 900, back), 100) << "the end comes before";
    EXPECT_EQ(read_at(file.get(), 2000, back), 0);
}

TEST(FileIo, MoreThanAPipeHoldsIsWrittenAsItIsRead) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    const Descriptor out(ends[0]);
    Descriptor in(ends[1]);
    const auto bytes = numbered(1 << 20);
    std::jthread writer([&] {
        EXPECT_TRUE(write_all(in.get(), bytes));
        in = Descriptor();
    });
    std::vector<std::byte> back;
    std::array<std::byte, 1000> part{};
    for (ssize_t got = 0; (got = ::read(out.get(), part.data(), part.size())) > 0;)
        back.insert(back.end(), part.begin(), part.begin() + got);
    EXPECT_EQ(back, bytes);
}

TEST(FileIo, AFailureIsTold) {
    const Descriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    ASSERT_TRUE(full);
    EXPECT_FALSE(write_all(full.get(), numbered(1)));
    EXPECT_EQ(errno, ENOSPC);
    EXPECT_TRUE(write_all(full.get(), {})) << "nothing is always written";
    std::array<std::byte, 1> into{};
    EXPECT_EQ(read_at(-1, 0, into), -1);
}

}  // namespace
}  // namespace hotmic::system
