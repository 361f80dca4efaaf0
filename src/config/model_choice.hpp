/// `auto`: which provider and model this machine should run, and why.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/units.hpp"

namespace hotmic::config {

/// What to load.
struct Choice {
    std::shared_ptr<Provider> provider;
    ModelSpec spec;
    std::string reason;                    ///< in words, for people
    std::vector<std::string> passed_over;  ///< what else was there, each with why not
};

/// Decides what the model section leaves open.
///   path and provider given   taken as they are; whether they fit together is the load's business
///   only path given           the first available provider that recognizes the file; when none does, the one whose
///   refusal
///                             says most, so that the load reports it (the file may also be mended while a server runs)
///   only provider given       the largest intact model of its kind in `models_dir` that fits into `available_memory`,
///   else
///                             the provider's own model
///   neither                   the same over all providers in their order of preference, those with files first
/// Files whose name begins with "hotmic-numbers" are made for tests and demonstrations: picked only where the provider
/// is named and there is nothing else for it. Reads headers only: milliseconds. Errors: provider_unknown;
/// model_file_missing when there is nothing to pick; provider_unavailable in a build without any.
/// `elsewhere`: models outside of `models_dir`, such as those in other programs' caches.
[[nodiscard]] Result<Choice> choose(const Model& model, const std::filesystem::path& models_dir,
                                    const ProviderRegistry& providers, Bytes available_memory,
                                    const std::vector<std::filesystem::path>& elsewhere = {});

/// The section's settings as the provider interface takes them.
[[nodiscard]] ModelSpec spec_of(const Model& model);

}  // namespace hotmic::config
