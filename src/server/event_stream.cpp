#include "server/event_stream.hpp"

#include <chrono>
#include <format>
#include <memory>
#include <utility>

#include "server/http/message.hpp"

namespace hotmic::server {
namespace {

constexpr std::chrono::seconds kSilence{15};

class EventStream {
public:
    explicit EventStream(NextEvents next) : next_(std::move(next)) {}

    http::Piece step() {
        http::Piece piece;
        for (const auto& each : next_(piece.last)) {
            if (!each.id.empty()) piece.text += std::format("id: {}\n", each.id);
            if (!each.event.empty()) piece.text += std::format("event: {}\n", each.event);
            piece.text += std::format("data: {}\n\n", each.data);
        }
        const auto now = http::Clock::now();
        if (piece.text.empty() && now - sent_ > kSilence) piece.text = ":\n\n";
        if (!piece.text.empty()) sent_ = now;
        return piece;
    }

private:
    NextEvents next_;
    http::Clock::time_point sent_ = http::Clock::now();
};

}  // namespace

http::Response respond_events(NextEvents next) {
    http::Response response;
    response.headers.set("Content-Type", std::string(kEventStreamType));
    response.headers.set("Cache-Control", "no-store");
    response.stream = [events = std::make_shared<EventStream>(std::move(next))] { return events->step(); };
    return response;
}

}  // namespace hotmic::server
