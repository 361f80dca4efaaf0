/// From a configuration to a model manager: the choice of provider and model, isolated as configured.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "config/auto.hpp"
#include "config/load.hpp"
#include "hotmic/model_manager.hpp"

namespace hotmic::cli {

/// The parts of one model, in the order in which they depend on each other. Destroying it unloads.
struct Engine {
    config::Choice choice;
    LifecycleOptions options;
    MemoryBroker memory{};
    Journal journal{};
    std::unique_ptr<ModelManager> manager{};
};

/// Decides what to load and makes its manager; loads nothing. Errors: those of config::choose.
[[nodiscard]] Result<std::unique_ptr<Engine>> make_engine(const config::Loaded& loaded,
                                                          const ProviderRegistry& providers);

/// Asks for the model and waits until it is READY, drawing progress on a terminal meanwhile.
[[nodiscard]] Result<void> make_ready(ModelManager& manager);

/// "    0.412 s  LOADING → WARMING_UP  (cause)" for each transition as it happens, until `stop`; then the last ones.
/// `more` is called after each line.
void narrate(const Journal& journal, Clock::time_point began, const std::stop_token& stop,
             const std::function<void(const Transition&)>& more = {});

/// One such line.
[[nodiscard]] std::string describe(const Transition& step, Clock::time_point began);

}  // namespace hotmic::cli
