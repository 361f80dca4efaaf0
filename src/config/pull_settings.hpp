/// How a configuration says that models are got.
#pragma once

#include "config/config.hpp"
#include "store/pull.hpp"

namespace hotmic::config {

/// With what the environment says of model hubs.
[[nodiscard]] store::PullSettings pull_settings(const Config& config);

}  // namespace hotmic::config
