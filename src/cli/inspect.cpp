#include <cstddef>
#include <cstdint>
#include <format>
#include <glaze/glaze.hpp>
#include <optional>
#include <print>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "config/config.hpp"
#include "config/model_choice.hpp"
#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"

namespace hotmic::cli {
namespace wire {

struct InspectError {
    std::string code;
    std::string message;
    std::string remedy;
};

struct InspectJson {
    std::string path;
    bool intact = false;
    std::string provider{};
    std::optional<ModelFileInfo> model{};
    std::optional<std::uint64_t> memory_needed_bytes{};
    std::optional<InspectError> error{};
};

}  // namespace wire

namespace {

using wire::InspectError;
using wire::InspectJson;

std::string list(const std::vector<std::string>& words) {
    constexpr std::size_t shown = 12;
    std::string text;
    for (std::size_t i = 0; i < words.size() && i < shown; ++i) text += (i ? ", " : "") + words[i];
    if (words.size() > shown) text += std::format(" and {} more", words.size() - shown);
    return text;
}

void print_table(const InspectJson& found, const ResourceEstimate* needs) {
    const auto& model = *found.model;
    std::vector<std::vector<std::string>> rows{
        {"file", found.path},         {"intact", paint(stdout, Colour::green, "yes")},
        {"provider", found.provider}, {"kind", model.kind},
        {"format", model.format},     {"size", config::human_bytes(model.size_bytes)}};
    if (!model.quantization.empty()) rows.push_back({"quantization", model.quantization});
    if (model.tensors) rows.push_back({"tensors", std::format("{}", model.tensors)});
    if (model.parameters)
        rows.push_back({"parameters", std::format("{:.1f} million", static_cast<double>(model.parameters) / 1e6)});
    if (!model.languages.empty()) rows.push_back({"languages", list(model.languages)});
    if (needs) {
        const auto shared = needs->weights_bytes ? config::human_bytes(needs->weights_bytes) + " for weights and " : "";
        rows.push_back(
            {"memory", std::format("{}: {}{} for each of {} slots", config::human_bytes(needs->total_bytes()), shared,
                                   config::human_bytes(needs->per_slot_bytes), needs->slots)});
    }
    for (const auto& [name, value] : model.details) rows.push_back({name, value});
    std::print("{}", aligned(rows));
}

}  // namespace

int inspect(const std::string& path, const std::string& provider, bool json, const ProviderRegistry& providers) {
    InspectJson found{.path = path};
    config::Model wanted;
    wanted.provider = provider;
    wanted.path = path;

    // The provider's own words about the file, whether or not this machine could run it.
    std::optional<Error> problem;
    std::optional<ResourceEstimate> needs;
    auto choice = config::choose(wanted, {}, providers, UINT64_MAX);
    if (!choice) {
        problem = choice.error();
    } else {
        found.provider = choice->spec.provider;
        auto info = choice->provider->inspect(choice->spec);
        if (info) {
            found.intact = true;
            found.model = std::move(*info);
            if (auto estimate = choice->provider->estimate(choice->spec)) {
                needs = *estimate;
                found.memory_needed_bytes = needs->total_bytes();
            }
        } else {
            problem = info.error();
        }
    }
    if (problem) found.error = InspectError{std::string(to_string(problem->code)), problem->message, problem->remedy};
    if (json) {
        std::println("{}", glz::write<glz::opts{.prettify = true}>(found).value_or("{}"));
    } else if (!problem) {
        print_table(found, needs ? &*needs : nullptr);
    }
    if (!problem) return 0;
    return json ? exit_code_of(problem->code) : report(path, *problem);
}

}  // namespace hotmic::cli
