#include "server/lifecycle_traces.hpp"

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string_view>

#include "hotmic/journal.hpp"
#include "hotmic/state.hpp"
#include "tracing/traces.hpp"

namespace hotmic::server {
namespace {

constexpr std::chrono::seconds kLook{60};

std::string_view phase_name(ModelState state) {
    if (state == ModelState::loading) return "load";
    if (state == ModelState::warming_up) return "warmup";
    return {};
}

}  // namespace

LifecycleTraces::LifecycleTraces(const tracing::Traces& traces, const Journal& journal)
    : traces_(traces), journal_(journal), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void LifecycleTraces::run(const std::stop_token& stop) {
    std::uint64_t seen = 0;
    while (!stop.stop_requested()) {
        for (const auto& transition : journal_.wait_since(seen, deadline_in(kLook), stop)) {
            seen = transition.sequence;
            take(transition);
        }
    }
}

void LifecycleTraces::take(const Transition& transition) {
    const bool goes_on = !phase_name(transition.to).empty();
    if (!goes_on && phase_name(transition.from).empty()) return;  // what comes after
    auto& instance = on_their_way_[transition.instance];
    if (!instance) {
        instance = traces_.begin("make ready", transition.monotonic);
        instance.set("hotmic.model", std::string_view(transition.model));
        instance.set("hotmic.instance", std::string_view(transition.instance));
    }
    if (const auto name = phase_name(transition.from); !name.empty()) {
        const auto phase = instance.child(name, transition.monotonic - transition.phase);
        phase.set("hotmic.cause", std::string_view(transition.cause));
        phase.end(transition.monotonic);
    }
    if (goes_on) return;
    instance.set("hotmic.state", to_string(transition.to));
    instance.set("hotmic.cause", std::string_view(transition.cause));
    instance.end(transition.monotonic);
    on_their_way_.erase(transition.instance);
}

}  // namespace hotmic::server
