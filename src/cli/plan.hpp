/// From a configuration to what is loaded: the choice of provider and model, isolated as configured.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "config/config.hpp"
#include "config/load.hpp"
#include "config/model_choice.hpp"
#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/units.hpp"
#include "store/downloads.hpp"
#include "worker/confinement.hpp"
#include "worker/decoders.hpp"

namespace hotmic::cli {

/// How the configuration wants media decoded.
[[nodiscard]] worker::DecoderOptions decoder_options(const config::Config& config);
/// How the configuration wants workers confined.
[[nodiscard]] worker::Confinement confinement_of(const config::Config& config);

/// Which provider and file a section means, of those that are on this machine. Errors: those of config::choose.
[[nodiscard]] Result<config::Choice> choose_model(const config::Model& section, const config::Config& config,
                                                  const ProviderRegistry& providers, Bytes available_memory);

/// What one model section means on this machine. A model of the catalogue that is not here yet is downloaded as the
/// first part of its load, which `downloads` notes. Reads headers only. Errors: those of config::choose.
[[nodiscard]] Result<ModelPlan> make_plan(const std::string& name, const config::Model& section,
                                          const config::Config& config, const ProviderRegistry& providers,
                                          Bytes available_memory, const std::shared_ptr<store::Downloads>& downloads);

/// The same for every model. Where the choice of a file is left open, it sees the memory that those before it leave:
/// models with a path come first, then the default model, then the others by name; models that load on demand are
/// promised none. A model that is not required and for which nothing can be chosen gets a plan whose load fails with
/// that reason. Errors: of a required model, those of config::choose; of any model, provider_unknown.
[[nodiscard]] Result<std::map<std::string, ModelPlan>> make_plans(const config::Loaded& loaded,
                                                                  const ProviderRegistry& providers,
                                                                  Bytes available_memory,
                                                                  const std::shared_ptr<store::Downloads>& downloads);

}  // namespace hotmic::cli
