#include "server/admission.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "requests.hpp"

namespace hotmic::server {
namespace {

http::Request request_with_key(const std::string& authorization) {
    return request_with("Authorization", authorization);
}

TEST(Authorize, WithoutKeysEverybodyMay) {
    EXPECT_TRUE(authorize(request_with_key(""), {}));
    EXPECT_TRUE(authorize(request_with_key("Bearer anything"), {}));
}

TEST(Authorize, AnyOfTheKeysWillDo) {
    const std::vector<std::string> keys{"first-key", "second"};
    EXPECT_TRUE(authorize(request_with_key("Bearer first-key"), keys));
    EXPECT_TRUE(authorize(request_with_key("Bearer second"), keys));
}

TEST(Authorize, TheSchemeIsWrittenInAnyCase) {
    for (const std::string sent : {"bearer key", "BEARER key", "Bearer key"})
        EXPECT_TRUE(authorize(request_with_key(sent), {"key"})) << sent;
}

TEST(Authorize, NothingElseWillDo) {
    const std::vector<std::string> keys{"first-key", "second"};
    for (const std::string sent : {"", "Bearer ", "Bearer", "Bearer third", "Bearer first-ke", "Bearer first-keys",
                                   "first-key", "Basic first-key", "Bearer  second"}) {
        const auto known = authorize(request_with_key(sent), keys);
        ASSERT_FALSE(known) << '"' << sent << '"';
        EXPECT_EQ(known.error().code, ErrorCode::unauthorized);
        for (const auto& key : keys) EXPECT_FALSE(known.error().describe().contains(key));
    }
}

TEST(InFlight, CountsTicketsWhileTheyLive) {
    InFlight in_flight;
    const auto gone = [] { return false; };
    std::optional<InFlight::Ticket> one(std::in_place, in_flight, gone);
    std::optional<InFlight::Ticket> other(std::in_place, in_flight, gone);
    EXPECT_EQ(in_flight.size(), 2U);
    one.reset();
    EXPECT_EQ(in_flight.size(), 1U);
    other.reset();
    EXPECT_EQ(in_flight.size(), 0U);
}

TEST(InFlight, SweepStopsWhoseClientHasGone) {
    InFlight in_flight;
    const InFlight::Ticket ticket(in_flight, [] { return true; });
    EXPECT_FALSE(ticket.stop().stop_requested());
    in_flight.sweep();
    EXPECT_TRUE(ticket.stop().stop_requested());
}

TEST(InFlight, AStopCallbackMayEndItsOwnTicket) {
    InFlight in_flight;
    std::optional<InFlight::Ticket> ticket(std::in_place, in_flight, [] { return true; });
    const auto stop = ticket->stop();
    const std::stop_callback ended(stop, [&] { ticket.reset(); });
    in_flight.sweep();
    EXPECT_EQ(in_flight.size(), 0U);
}

}  // namespace
}  // namespace hotmic::server
