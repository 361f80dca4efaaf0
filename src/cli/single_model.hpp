/// One model without a server around it, and how its life is told.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "config/load.hpp"
#include "hotmic/error.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/state.hpp"

namespace hotmic::cli {

/// The parts of one model, in the order in which they depend on each other. Destroying it unloads.
struct SingleModel {
    ModelPlan plan{};
    MemoryBroker memory{};
    Journal journal{};
    std::unique_ptr<ModelManager> manager{};
};

/// Decides what the default model is and makes its manager; loads nothing. Where nothing is configured and only an
/// engine's own model is there, says on stderr what gets a better one. Errors: those of config::choose.
[[nodiscard]] Result<std::unique_ptr<SingleModel>> make_single_model(const config::Loaded& loaded,
                                                                     const ProviderRegistry& providers);

/// Asks for the model and waits until it is READY, drawing progress on a terminal meanwhile.
[[nodiscard]] Result<void> make_ready(ModelManager& manager);

/// How transitions are told.
struct Narration {
    Clock::time_point began = Clock::now();  ///< times are counted from here
    std::string unnamed{};  ///< the only model there was at first; lines of others begin with their names
    std::function<void(const Transition&)> more{};  ///< called after each line
};

/// "    0.412 s  LOADING → WARMING_UP  (cause)" for each transition as it happens, until `stop`; then the last ones.
void narrate(const Journal& journal, const Narration& how, const std::stop_token& stop);

}  // namespace hotmic::cli
