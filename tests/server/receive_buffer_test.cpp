#include "server/http/receive_buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace hotmic::http {
namespace {

using Room = ReceiveBuffer::Room;

void receive(ReceiveBuffer& buffer, std::string_view text) {
    ASSERT_EQ(buffer.make_room(), Room::made);
    std::ranges::copy(text, buffer.free().begin());
    buffer.received(text.size());
}

void fill(ReceiveBuffer& buffer) {
    buffer.received(buffer.free().size());
}

TEST(ReceiveBuffer, HoldsWhatWasNotUsed) {
    Budget budget(1 << 20);
    ReceiveBuffer buffer(budget, 64 << 10);
    receive(buffer, "GET / HTTP");
    buffer.use(4);
    receive(buffer, "/1.1");
    EXPECT_EQ(buffer.bytes(), "/ HTTP/1.1");
    buffer.use(buffer.bytes().size());
    EXPECT_TRUE(buffer.empty());
}

TEST(ReceiveBuffer, WhatItGrowsIsCountedAndGivenBack) {
    Budget budget(1 << 20);
    ReceiveBuffer buffer(budget, 32 << 10);
    EXPECT_EQ(budget.held(), 0u) << "an idle connection costs what it always does";
    fill(buffer);
    ASSERT_EQ(buffer.make_room(), Room::made);
    EXPECT_EQ(budget.held(), 16u << 10);
    buffer.use(buffer.bytes().size());
    buffer.shrink();
    EXPECT_EQ(budget.held(), 0u);
    EXPECT_EQ(buffer.free().size(), ReceiveBuffer::kSmall);
}

TEST(ReceiveBuffer, KeepsItsSizeWhileMoreIsHeldThanFits) {
    Budget budget(1 << 20);
    ReceiveBuffer buffer(budget, 32 << 10);
    fill(buffer);
    ASSERT_EQ(buffer.make_room(), Room::made);
    fill(buffer);
    buffer.shrink();
    EXPECT_EQ(buffer.bytes().size(), 16u << 10);
    EXPECT_EQ(budget.held(), 16u << 10);
}

TEST(ReceiveBuffer, EndsAtItsBoundAndAtTheBudgets) {
    Budget budget(1 << 20);
    ReceiveBuffer bounded(budget, 8 << 10);
    fill(bounded);
    ASSERT_EQ(bounded.make_room(), Room::made);
    fill(bounded);
    EXPECT_EQ(bounded.make_room(), Room::full);
    Budget tight(1 << 10);
    ReceiveBuffer poor(tight, 32 << 10);
    fill(poor);
    EXPECT_EQ(poor.make_room(), Room::no_room);
}

}  // namespace
}  // namespace hotmic::http
