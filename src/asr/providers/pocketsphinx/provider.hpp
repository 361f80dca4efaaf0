/// CMU PocketSphinx: English recognition from the distribution's own packages, no download. Whole recordings, and
/// utterances as they grow.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/provider.hpp"

namespace hotmic::pocketsphinx {

/// Decoder parameters by PocketSphinx's names ("maxhmmpf", "30000"). Later ones win.
using Settings = std::vector<std::pair<std::string, std::string>>;

/// The settings hotmic decodes with; docs/providers.md tells how they were found.
[[nodiscard]] const Settings& tuned_settings();

[[nodiscard]] std::shared_ptr<Provider> make_provider();
/// With other settings, for measuring them.
[[nodiscard]] std::shared_ptr<Provider> make_provider(Settings settings);

}  // namespace hotmic::pocketsphinx
