// hotmic status: the life of a running server's models, once or as it goes on.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <format>
#include <print>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/admin_client.hpp"
#include "cli/commands.hpp"
#include "cli/status_view.hpp"
#include "cli/terminal.hpp"
#include "hotmic/error.hpp"

namespace hotmic::cli {
namespace {

constexpr std::chrono::milliseconds kLook{200};
constexpr std::size_t kEvents = 10;  // of the past, shown

/// Draws over what it drew before.
class Screen {
public:
    void draw(const std::string& text) {
        if (lines_ > 0) std::print(stdout, "\x1b[{}A\x1b[J", lines_);
        std::print(stdout, "{}", text);
        std::fflush(stdout);
        lines_ = std::ranges::count(text, '\n');
    }

private:
    std::ptrdiff_t lines_ = 0;
};

/// What a server tells, and what is left of it between two looks.
struct Look {
    std::vector<RemoteModel> models{};
    std::deque<RemoteEvent> events{};
    std::uint64_t seen = 0;  ///< number of the last event

    /// Adds what is new. Returns that.
    Result<std::vector<RemoteEvent>> refresh(AdminClient& client) {
        auto now = client.models();
        if (!now) return std::unexpected(std::move(now.error()));
        models = std::move(*now);
        auto news = client.events(seen);
        if (!news) return std::unexpected(std::move(news.error()));
        for (const auto& event : *news) {
            events.push_back(event);
            seen = event.sequence;
        }
        while (events.size() > kEvents) events.pop_front();
        return news;
    }
};

}  // namespace

int readiness(const AdminFlags& server) {
    auto client = AdminClient::make(server);
    if (!client) return report(client.error());
    const auto now = client->readiness();
    if (!now) return report_remote(now.error());
    say(now->reason.empty() ? now->status : std::format("{} - {}", now->status, now->reason));
    for (const auto& model : now->models) {
        auto line = std::format("{}: {}", model.model, model.state);
        if (model.served_by) line += " - served by " + *model.served_by;
        if (!model.reason.empty()) line += " - " + model.reason;
        if (model.eta_seconds) line += std::format(" - about {:.0f} s to go", *model.eta_seconds);
        say(line);
    }
    return now->status == "ok" ? 0 : kServing;
}

int status(const AdminFlags& server, bool watch) {
    auto client = AdminClient::make(server);
    if (!client) return report(client.error());
    Look look;
    auto news = look.refresh(*client);
    if (!news) return report_remote(news.error());
    if (!watch) {
        std::print(stdout, "{}", draw_status(look.models, look.events));
        return 0;
    }
    Screen screen;
    while (true) {
        if (is_terminal(stdout)) {
            screen.draw(news ? draw_status(look.models, look.events) : news.error().describe() + "\n");
        } else if (news) {
            for (const auto& event : *news) say(describe(event));
        } else {
            return report_remote(news.error());  // whoever reads this through a pipe is to notice
        }
        std::this_thread::sleep_for(kLook);
        if (!news) look = {};  // a server that is started anew counts from 1 again
        news = look.refresh(*client);
    }
}

}  // namespace hotmic::cli
