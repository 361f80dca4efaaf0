/// One step of a model's life, as JSON has it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "hotmic/journal.hpp"

namespace hotmic::server::wire {

struct Event {
    std::uint64_t sequence = 0;
    std::string time;
    std::string model;
    std::string instance;
    std::string from;
    std::string to;
    std::string cause;
    double phase_ms = 0;
};

/// "2026-11-23T12:00:00.000Z"
[[nodiscard]] std::string time_of(std::chrono::system_clock::time_point when);
[[nodiscard]] Event event_of(const Transition& transition);

}  // namespace hotmic::server::wire
