/// What else a model file may be run with, where the first choice turns out not to tell the truth here.
#pragma once

#include <vector>

#include "config/config.hpp"
#include "config/model_choice.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/provider.hpp"

namespace hotmic::config {

/// In order of preference, without the choice itself: the same provider on the CPU, then the other providers that
/// recognize the file. Only what `model` leaves open: a backend or provider that is named is not replaced.
[[nodiscard]] std::vector<Alternative> alternatives_to(const Choice& choice, const Model& model,
                                                       const ProviderRegistry& providers);

}  // namespace hotmic::config
