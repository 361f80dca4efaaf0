#include "server/transition_json.hpp"

#include <chrono>
#include <format>
#include <string>

#include "hotmic/journal.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"

namespace hotmic::server::wire {

std::string time_of(std::chrono::system_clock::time_point when) {
    return std::format("{:%FT%TZ}", std::chrono::floor<std::chrono::milliseconds>(when));
}

Event event_of(const Transition& transition) {
    return {.sequence = transition.sequence,
            .time = time_of(transition.wall),
            .model = transition.model,
            .instance = transition.instance,
            .from = std::string(to_string(transition.from)),
            .to = std::string(to_string(transition.to)),
            .cause = transition.cause,
            .phase_ms = to_ms(transition.phase)};
}

}  // namespace hotmic::server::wire
