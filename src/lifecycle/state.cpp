#include <array>
#include <string_view>
#include <utility>

#include "hotmic/state.hpp"

namespace hotmic {
namespace {

using enum ModelState;

struct Edge {
    ModelState from;
    ModelState to;
};

// The only place that knows which transitions exist. The comment of each is its usual cause.
constexpr std::array kTransitions{
    Edge{uninitialized, loading},  // initialize
    Edge{loading, warming_up},     // loaded
    Edge{loading, ready},          // loaded, warmup switched off
    Edge{loading, error},          // refused, failed, stalled, timed out, crashed
    Edge{warming_up, ready},       // warm
    Edge{warming_up, error},       // failed, timed out, too slow, crashed
    Edge{ready, error},            // lost
    Edge{error, loading},          // retry
    Edge{loading, unloading},      // unload cancels a load
    Edge{warming_up, unloading},   // unload cancels a warmup
    Edge{ready, unloading},        // unload drains
    Edge{error, unloading},        // unload clears what is left
    Edge{unloading, uninitialized},
};

}  // namespace

std::string_view to_string(ModelState state) noexcept {
    switch (state) {
        case uninitialized:
            return "UNINITIALIZED";
        case loading:
            return "LOADING";
        case warming_up:
            return "WARMING_UP";
        case ready:
            return "READY";
        case error:
            return "ERROR";
        case unloading:
            return "UNLOADING";
    }
    std::unreachable();
}

bool is_allowed(ModelState from, ModelState to) noexcept {
    for (const Edge& edge : kTransitions) {
        if (edge.from == from && edge.to == to) return true;
    }
    return false;
}

}  // namespace hotmic
