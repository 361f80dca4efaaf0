/// Amounts as people read them.
#pragma once

#include <string>

#include "hotmic/units.hpp"

namespace hotmic {

/// "61 MB", "1.5 GB": bytes for people.
[[nodiscard]] std::string human_size(Bytes size);

}  // namespace hotmic
