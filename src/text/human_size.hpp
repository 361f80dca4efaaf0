/// Amounts as people read them.
#pragma once

#include <string>

#include "hotmic/units.hpp"

namespace hotmic {

/// "61 MB", "1.5 GB": bytes for people.
[[nodiscard]] std::string human_size(Bytes size);

/// "147.9 MB", "17.18 GB": for two that are compared and may be nearly the same.
[[nodiscard]] std::string precise_size(Bytes size);

}  // namespace hotmic
