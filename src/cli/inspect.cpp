#include <cstddef>
#include <cstdint>
#include <format>
#include <glaze/glaze.hpp>
#include <map>
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
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/units.hpp"
#include "text/human_size.hpp"

namespace hotmic::cli {
namespace wire {

struct ModelFile {
    std::string kind;
    std::string format;
    std::uint64_t size_bytes = 0;
    std::string quantization{};
    bool multilingual = false;
    std::vector<std::string> languages{};
    std::uint64_t tensors = 0;
    std::uint64_t parameters = 0;
    std::map<std::string, std::string> details{};
};

struct InspectError {
    std::string code;
    std::string message;
    std::string remedy;
};

struct InspectJson {
    std::string path;
    bool intact = false;
    std::string provider{};
    std::optional<ModelFile> model{};
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

wire::ModelFile wire_of(ModelFileInfo info) {
    return {.kind = std::move(info.kind),
            .format = std::move(info.format),
            .size_bytes = info.size.count(),
            .quantization = std::move(info.quantization),
            .multilingual = info.multilingual,
            .languages = std::move(info.languages),
            .tensors = info.tensors,
            .parameters = info.parameters,
            .details = std::move(info.details)};
}

void print_table(const InspectJson& found, const ResourceEstimate* needs) {
    const auto& model = *found.model;
    std::vector<std::vector<std::string>> rows{
        {"file", found.path},         {"intact", paint(stdout, Colour::green, "yes")},
        {"provider", found.provider}, {"kind", model.kind},
        {"format", model.format},     {"size", human_size(Bytes(model.size_bytes))}};
    if (!model.quantization.empty()) rows.push_back({"quantization", model.quantization});
    if (model.tensors) rows.push_back({"tensors", std::format("{}", model.tensors)});
    if (model.parameters)
        rows.push_back({"parameters", std::format("{:.1f} million", static_cast<double>(model.parameters) / 1e6)});
    if (!model.languages.empty()) rows.push_back({"languages", list(model.languages)});
    if (needs) {
        const auto shared = needs->weights ? human_size(needs->weights) + " for weights and " : "";
        rows.push_back({"memory", std::format("{}: {}{} for each of {} slots", human_size(needs->total()), shared,
                                              human_size(needs->per_slot), needs->slots)});
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
    auto choice = config::choose(wanted, {}, providers, Bytes(UINT64_MAX));
    if (!choice) {
        problem = choice.error();
    } else {
        found.provider = choice->spec.provider;
        auto info = choice->provider->inspect(choice->spec);
        if (info) {
            found.intact = true;
            found.model = wire_of(*std::move(info));
            if (auto estimate = choice->provider->estimate(choice->spec)) {
                needs = *estimate;
                found.memory_needed_bytes = needs->total().count();
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
