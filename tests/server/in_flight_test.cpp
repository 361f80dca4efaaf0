#include "server/in_flight.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace hotmic::server {
namespace {

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
