#include "hotmic/memory_broker.hpp"

#include <gtest/gtest.h>

#include "hotmic/units.hpp"

namespace hotmic {
namespace {

TEST(MemoryBroker, TwoReservationsNeverCountTheSameBytes) {
    MemoryBroker broker([] { return mebibytes(100); });
    auto first = broker.reserve(mebibytes(60), "model a");
    ASSERT_TRUE(first);
    const auto second = broker.reserve(mebibytes(60), "model b");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::insufficient_memory);
    EXPECT_NE(second.error().message.find("model b needs 60 MB and 40 MB are available"), std::string::npos)
        << second.error().message;
    *first = {};
    EXPECT_TRUE(broker.reserve(mebibytes(60), "model b"));
}

TEST(MemoryBroker, ASettledReservationIsCountedNoLonger) {
    MemoryBroker broker([] { return Bytes(100); });
    auto claim = broker.reserve(Bytes(100), "model");
    ASSERT_TRUE(claim);
    EXPECT_EQ(broker.reserved(), Bytes(100));
    claim->settle();
    EXPECT_EQ(broker.reserved(), Bytes(0));
}

TEST(MemoryBroker, WhatIsResidentIsNotClaimedASecondTime) {
    MemoryBroker broker([] { return Bytes(1000); });
    auto claim = broker.reserve(Bytes(600), "one");
    ASSERT_TRUE(claim);
    claim->note_resident(Bytes(500));
    EXPECT_EQ(broker.reserved(), Bytes(100)) << "only what is still to come";
    claim->note_resident(Bytes(700));
    EXPECT_EQ(broker.reserved(), Bytes(0)) << "more than was estimated";
    claim->note_resident(Bytes(450));
    EXPECT_EQ(broker.reserved(), Bytes(150)) << "some was given back";
    MemoryBroker::Reservation moved = *std::move(claim);
    moved.settle();
    EXPECT_EQ(broker.reserved(), Bytes(0));
    moved.note_resident(Bytes(0));
    EXPECT_EQ(broker.reserved(), Bytes(0)) << "what is settled stays settled";
}

}  // namespace
}  // namespace hotmic
