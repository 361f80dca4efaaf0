#include "config/model_choice.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <format>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/units.hpp"
#include "store/library.hpp"
#include "text/human_size.hpp"

namespace hotmic::config {
namespace {

namespace fs = std::filesystem;

/// A model in the models directory that a provider found intact.
struct Candidate {
    std::shared_ptr<Provider> provider;
    ModelSpec spec;
    ModelFileInfo info;
    Bytes needs{};
};

std::vector<fs::path> entries_of(const fs::path& folder) {
    std::vector<fs::path> entries;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        if (!at->path().filename().string().starts_with(".")) entries.push_back(at->path());
    }
    std::ranges::sort(entries);
    return entries;
}

/// It knows numbers and commands only: nobody's choice for dictation.
bool is_numbers_model(const fs::path& path) {
    return path.filename().string().starts_with("hotmic-numbers");
}

/// The error that says most: "not a model of mine" says less than "mine, but broken".
bool tells_more(const Error& candidate, const Error& than) {
    const auto rank = [](const Error& error) {
        switch (error.code) {
            case ErrorCode::model_not_recognized:
                return 0;
            case ErrorCode::model_file_unreadable:
                return 1;
            case ErrorCode::model_file_missing:
                return 2;
            default:
                return 3;
            case ErrorCode::provider_unavailable:
                return 4;
        }
    };
    return rank(candidate) > rank(than);
}

class Choosing {
public:
    Choosing(const Model& model, const fs::path& models_dir, Bytes available, const std::vector<fs::path>& elsewhere)
        : spec_(spec_of(model)), models_dir_(models_dir), available_(available), elsewhere_(elsewhere) {}

    /// Which of `providers` loads the file that was named.
    Result<Choice> by_path(const std::vector<std::shared_ptr<Provider>>& providers) {
        std::shared_ptr<Provider> best;
        std::optional<Error> telling;
        for (const auto& provider : providers) {
            auto spec = spec_;
            spec.provider = provider->name();
            const auto info = provider->inspect(spec);
            if (info && provider->availability().available) {
                return Choice{
                    provider, std::move(spec), std::format("{} recognizes {}", provider->name(), info->kind), {}};
            }
            // Recognized, but not runnable here, says more than any refusal.
            auto refusal = info ? Error{ErrorCode::provider_unavailable, std::string(provider->availability().reason)}
                                : info.error();
            if (!telling || tells_more(refusal, *telling)) {
                telling = std::move(refusal);
                best = provider;
            }
        }
        if (!best) return fail(ErrorCode::provider_unavailable, "this build has no providers", "build with an engine");
        spec_.provider = best->name();
        return Choice{best, spec_, std::format("no provider can load it: {}", telling->message), {}};
    }

    /// The best of the models directory, else a provider's own. `last_resort`: numbers models too.
    Result<Choice> by_searching(const std::vector<std::shared_ptr<Provider>>& providers, bool last_resort) {
        std::vector<std::shared_ptr<Provider>> usable;
        for (const auto& provider : providers) {
            if (const auto here = provider->availability(); here.available) {
                usable.push_back(provider);
            } else {
                pass_over(std::string(provider->name()), here.reason);
            }
        }
        auto candidates = search(usable, last_resort);
        const auto found = candidates.size();
        for (auto& candidate : candidates) {
            const auto name = candidate.spec.path.filename().string();
            if (candidate.needs > available_) {
                pass_over(name, std::format("needs {}, {} are available", human_size(candidate.needs),
                                            human_size(available_)));
                continue;
            }
            auto reason =
                found == 1 ? std::format("{} ({}) is the model in {}", name, candidate.info.kind, models_dir_.string())
                           : std::format("{} ({}) is the largest of {} models in {} that fits into memory", name,
                                         candidate.info.kind, found, models_dir_.string());
            return Choice{candidate.provider, std::move(candidate.spec), std::move(reason), std::move(passed_over_)};
        }
        return own_model(usable, found);
    }

private:
    /// All intact models in order of preference: providers as registered, larger before smaller (larger hears better).
    std::vector<Candidate> search(const std::vector<std::shared_ptr<Provider>>& providers, bool last_resort) {
        std::vector<Candidate> all;
        auto entries = entries_of(models_dir_);
        std::ranges::transform(entries, entries.begin(), store::loadable);
        entries.append_range(elsewhere_);
        for (const auto& entry : entries) {
            if (is_numbers_model(entry) && !last_resort) continue;
            std::optional<Error> telling;
            bool taken = false;
            for (const auto& provider : providers) {
                auto spec = spec_;
                spec.provider = provider->name();
                spec.path = entry;
                auto info = provider->inspect(spec);
                if (!info) {
                    if (!telling || tells_more(info.error(), *telling)) telling = info.error();
                    continue;
                }
                const auto estimate = provider->estimate(spec);
                all.push_back({provider, std::move(spec), std::move(*info), estimate ? estimate->total() : Bytes()});
                taken = true;
                break;
            }
            if (!taken && telling) pass_over(entry.filename().string(), telling->message);
        }
        const auto rank = [&](const Candidate& one) {
            return std::ranges::find(providers, one.provider) - providers.begin();
        };
        std::ranges::stable_sort(all, [&](const Candidate& a, const Candidate& b) {
            if (const bool last = is_numbers_model(a.spec.path); last != is_numbers_model(b.spec.path)) return !last;
            if (rank(a) != rank(b)) return rank(a) < rank(b);
            return a.info.size > b.info.size;
        });
        return all;
    }

    Result<Choice> own_model(const std::vector<std::shared_ptr<Provider>>& providers, std::size_t found) {
        for (const auto& provider : providers) {
            auto spec = spec_;
            spec.provider = provider->name();
            auto info = provider->inspect(spec);
            if (!info) {
                pass_over(std::string(provider->name()), info.error().message);
                continue;
            }
            auto reason =
                std::format("{} brings its own model, and {} {}", provider->name(), models_dir_.string(),
                            found == 0 ? "holds none that can be loaded; `hotmic pull base` gets one that hears better"
                                       : "holds none that fits into memory");
            return Choice{provider, std::move(spec), std::move(reason), std::move(passed_over_)};
        }
        std::string tried;
        for (const auto& each : passed_over_) tried += "\n  " + each;
        return fail(ErrorCode::model_file_missing,
                    std::format("no model was found: none is configured, and {} holds none that can be loaded{}",
                                models_dir_.string(), tried),
                    "`hotmic pull base` gets one; or put a model file there or name one with --model; `hotmic doctor` "
                    "says more",
                    "path");
    }

    void pass_over(const std::string& what, const std::string& why) { passed_over_.push_back(what + ": " + why); }

    ModelSpec spec_;
    const fs::path& models_dir_;
    Bytes available_;
    const std::vector<fs::path>& elsewhere_;
    std::vector<std::string> passed_over_{};
};

/// The providers as they are registered, but those first that have a GPU here, unless the CPU is asked for.
std::vector<std::shared_ptr<Provider>> in_order_for(std::vector<std::shared_ptr<Provider>> providers,
                                                    std::string_view backend) {
    if (backend == "cpu") return providers;
    std::ranges::stable_partition(providers, [](const auto& provider) {
        const auto here = provider->availability();
        return here.available && here.gpu;
    });
    return providers;
}

}  // namespace

ModelSpec spec_of(const Model& model) {
    return {.provider = model.provider,
            .path = model.path,
            .sha256 = model.sha256,
            .slots = model.slots,
            .threads = model.threads,
            .backend = model.backend,
            .flash_attention = model.flash_attention,
            .max_best_of = model.max_best_of,
            .max_beam_size = model.max_beam_size,
            .quantize = model.quantize,
            .text_case = model.text_case == "model" ? "" : model.text_case};
}

Result<Choice> choose(const Model& model, const fs::path& models_dir, const ProviderRegistry& providers,
                      Bytes available_memory, const std::vector<fs::path>& elsewhere) {
    Choosing choosing(model, models_dir, available_memory, elsewhere);
    if (model.provider == "auto") {
        const auto preferred = in_order_for(providers.all(), model.backend);
        return model.path.empty() ? choosing.by_searching(preferred, false) : choosing.by_path(preferred);
    }
    auto provider = providers.find(model.provider);
    if (!provider) return std::unexpected(std::move(provider.error()));
    if (model.path.empty()) return choosing.by_searching({*provider}, true);
    return Choice{*provider, spec_of(model), "configured", {}};
}

}  // namespace hotmic::config
