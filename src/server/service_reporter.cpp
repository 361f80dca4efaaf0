#include "server/service_reporter.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <stop_token>
#include <string>
#include <utility>

#include "hotmic/health.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/state.hpp"
#include "server/catalog.hpp"
#include "server/http/loop.hpp"
#include "system/mutex.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kLook{1};
/// While models are made ready the start may take so much longer, from each time on that this is told.
constexpr seconds kExtension{30};
constexpr seconds kExtendEvery{10};
/// Looks at what has to move in each interval of the watchdog: what has not moved at three of them in a row may be
/// ended.
constexpr int kLooks = 4;
constexpr std::size_t kMostModels = 8;
constexpr std::size_t kMostStatus = 1000;

std::string progress_of(const Health& health) {
    std::string text;
    const auto& progress = health.progress;
    if (const auto fraction = progress.fraction(); health.state == ModelState::loading && fraction)
        text += std::format(" {:.0f} %", 100 * *fraction);
    if (health.state == ModelState::warming_up) text += std::format(" level {}", health.warmup_level);
    if (health.eta && !health.ready && health.state != ModelState::error)
        text += std::format(", about {:.0f} s to go", health.eta->count());
    if (health.state == ModelState::error && health.last_error) text += ", " + health.last_error->message;
    if (health.retry_in) text += std::format(", tried again in {:.0f} s", health.retry_in->count());
    return text;
}

/// One line, whatever errors quote.
std::string one_line(std::string text) {
    std::ranges::replace_if(text, [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
    return cut(valid_utf8(text), kMostStatus);
}

/// It is being made ready, or will be shortly: waiting for it makes sense.
bool is_on_its_way(const Health& health) {
    if (health.state != ModelState::error) return true;
    return health.retry_in && *health.retry_in < kExtension;
}

struct Standing {
    bool ready = false;
    bool waiting_makes_sense = true;
    std::string status;
};

Standing standing_of(const ModelCatalog& catalog) {
    Standing standing{.ready = catalog.ready()};
    const auto entries = catalog.entries();
    if (entries.empty()) standing.status = "choosing models";
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto health = entries[i]->model->health();
        if (entries[i]->required && !health.ready && !is_on_its_way(health)) standing.waiting_makes_sense = false;
        if (i < kMostModels) {
            standing.status += std::format("{}{}: {}{}", i == 0 ? "" : "; ", entries[i]->name, to_string(health.state),
                                           health.resting ? ", rests" : progress_of(health));
        }
    }
    if (entries.size() > kMostModels) standing.status += std::format("; {} models more", entries.size() - kMostModels);
    return standing;
}

/// Of CLOCK_MONOTONIC, which the steady clock is.
std::int64_t monotonic_microseconds() {
    return std::chrono::duration_cast<microseconds>(Clock::now().time_since_epoch()).count();
}

}  // namespace

ServiceReporter::ServiceReporter(ServiceManager manager, const ModelCatalog& catalog, const Journal& journal,
                                 http::Loops& loops)
    : manager_(std::move(manager)), catalog_(catalog), journal_(journal), liveness_(loops, catalog) {}

void ServiceReporter::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void ServiceReporter::run(const std::stop_token& stop) {
    auto pause = std::chrono::duration_cast<milliseconds>(kLook);
    if (manager_.watchdog > microseconds(0))
        pause = std::clamp(std::chrono::duration_cast<milliseconds>(manager_.watchdog / kLooks / 2), milliseconds(1),
                           pause);
    auto seen = journal_.last_sequence();
    while (!stop.stop_requested()) {
        step(Clock::now());
        const auto news = journal_.wait_since(seen, deadline_in(pause), stop);
        if (!news.empty()) seen = news.back().sequence;
    }
}

void ServiceReporter::step(Clock::time_point now) {
    // What hangs here is not told as alive, and holds up nobody else.
    auto lines = sign_of_life(now);
    auto standing = standing_of(catalog_);
    const Lock lock(mutex_);
    if (!stopping_ && !reloading_) {
        if (!ready_ && standing.ready) {
            ready_ = true;
            lines += "READY=1\n";
        }
        if (!ready_ && standing.waiting_makes_sense && now - kExtendEvery >= extended_at_) {
            extended_at_ = now;
            lines += std::format("EXTEND_TIMEOUT_USEC={}\n", microseconds(kExtension).count());
        }
        if (!problem_.empty()) standing.status = problem_ + "; " + standing.status;
        if (auto status = one_line(std::move(standing.status)); status != status_) {
            lines += std::format("STATUS={}\n", status);
            status_ = std::move(status);
        }
    }
    if (!lines.empty()) manager_.tell(lines);
}

std::string ServiceReporter::sign_of_life(Clock::time_point now) {
    if (manager_.watchdog <= microseconds(0) || now - manager_.watchdog / kLooks < looked_at_) return {};
    looked_at_ = now;
    const auto silent = liveness_.silent();
    if (silent.empty()) {
        liveness_.ask();
        told_of_silence_ = false;
        return "WATCHDOG=1\n";
    }
    if (!std::exchange(told_of_silence_, true)) {
        std::string names;
        for (const auto& name : silent) names += (names.empty() ? "" : ", ") + name;
        spdlog::error("no sign of life from {:?}; the service manager is told nothing, and may end the server", names);
    }
    return {};
}

void ServiceReporter::reloading() {
    const Lock lock(mutex_);
    if (!ready_ || stopping_) return;
    reloading_ = true;
    status_ = "reading the configuration again";
    manager_.tell(std::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS={}\n", monotonic_microseconds(), status_));
}

void ServiceReporter::reloaded(const std::string& problem) {
    const Lock lock(mutex_);
    problem_ = problem;
    if (!std::exchange(reloading_, false) || stopping_) return;
    status_ = one_line(problem.empty() ? "the configuration was read again" : problem);
    manager_.tell(std::format("READY=1\nSTATUS={}\n", status_));
}

void ServiceReporter::stopping(milliseconds patience) {
    const Lock lock(mutex_);
    stopping_ = true;
    manager_.tell(
        std::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS=shutting down\n", microseconds(patience).count()));
}

}  // namespace hotmic::server
