#include "server/event_stream.hpp"

#include <trantor/net/EventLoop.h>

#include <format>
#include <memory>

#include "hotmic/model_manager.hpp"

namespace hotmic::server {
namespace {

constexpr double kLookSeconds = 0.05;
constexpr std::chrono::seconds kSilence{15};

class EventStream {
public:
    EventStream(drogon::ResponseStreamPtr stream, NextEvents next)
        : stream_(std::move(stream)), next_(std::move(next)) {}

    /// Sends what there is. False when the stream has ended.
    bool step() {
        bool last = false;
        std::string text;
        for (const auto& each : next_(last)) {
            if (!each.id.empty()) text += std::format("id: {}\n", each.id);
            if (!each.event.empty()) text += std::format("event: {}\n", each.event);
            text += std::format("data: {}\n\n", each.data);
        }
        if (text.empty() && Clock::now() - sent_ > kSilence) text = ":\n\n";
        bool open = true;
        if (!text.empty()) {
            open = stream_->send(text);
            sent_ = Clock::now();
        }
        if (open && !last) return true;
        stream_->close();
        return false;
    }

private:
    drogon::ResponseStreamPtr stream_;
    NextEvents next_;
    Clock::time_point sent_ = Clock::now();
};

}  // namespace

drogon::HttpResponsePtr respond_events(NextEvents next) {
    const auto begin = [next = std::move(next)](drogon::ResponseStreamPtr stream) {
        const auto events = std::make_shared<EventStream>(std::move(stream), next);
        const auto timer = std::make_shared<trantor::TimerId>();
        // The loop of the connection, whose thread this is: all of a stream's life is then on one thread.
        auto* loop = trantor::EventLoop::getEventLoopOfCurrentThread();
        *timer = loop->runEvery(kLookSeconds, [=] {
            if (!events->step()) loop->invalidateTimer(*timer);
        });
    };
    auto response = drogon::HttpResponse::newAsyncStreamResponse(begin, true);
    response->setContentTypeString(kEventStreamType);
    response->addHeader("Cache-Control", "no-store");
    return response;
}

}  // namespace hotmic::server
