/// A model that was named and is not here yet: a provider that downloads it, then is the one that loads it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "store/catalogue.hpp"
#include "store/downloads.hpp"
#include "store/library.hpp"
#include "store/pull.hpp"

namespace hotmic::cli {

/// What loads a model once it is here, and with which settings.
struct Loader {
    std::shared_ptr<Provider> provider;
    ModelSpec spec;
};
using ChooseLoader = std::function<Result<Loader>(const store::Installed&)>;

/// `downloads` notes what it fetches. `name` is told while nobody knows which engine it will be. `choose` may be called
/// more than once, on any thread.
[[nodiscard]] std::shared_ptr<Provider> fetching_provider(std::string name, store::Entry entry, store::Library library,
                                                          store::PullSettings settings,
                                                          std::shared_ptr<store::Downloads> downloads,
                                                          ChooseLoader choose);

}  // namespace hotmic::cli
