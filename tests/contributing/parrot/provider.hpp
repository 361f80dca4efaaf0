/// A parrot: says what its file holds to everything that is not silent. The provider that docs/contributing.md is tried
/// with.
#pragma once

#include <memory>

#include "hotmic/provider.hpp"

namespace hotmic::parrot {

[[nodiscard]] std::shared_ptr<Provider> make_provider();

}  // namespace hotmic::parrot
