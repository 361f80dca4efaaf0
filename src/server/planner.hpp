/// How a configuration becomes models: asked again whenever somebody changes a model of a running server.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/schema.hpp"
#include "hotmic/error.hpp"
#include "hotmic/served_model.hpp"

namespace hotmic::server {

/// Made by whoever reads configurations; used by the admin API and on SIGHUP. Any thread; calls may come at once.
class Planner {
public:
    struct Swap {
        ModelPlan plan{};
        SwapStrategy strategy = SwapStrategy::automatic;
    };

    Planner() = default;
    Planner(const Planner&) = delete;
    Planner& operator=(const Planner&) = delete;
    virtual ~Planner() = default;

    /// What model `name` would be with these keys ("path", "warmup.level", …; and "strategy", which is of the swap)
    /// over those it is configured with. Errors: config_invalid, naming the key; those of choosing a provider and a
    /// file.
    [[nodiscard]] virtual Result<Swap> plan_swap(std::string_view name,
                                                 const std::map<std::string, config::Value>& keys) = 0;
    /// Reads the configuration again and begins whatever follows from what changed in it. Errors: those of reading;
    /// then nothing has begun.
    [[nodiscard]] virtual Result<std::vector<Job>> reload() = 0;
};

}  // namespace hotmic::server
