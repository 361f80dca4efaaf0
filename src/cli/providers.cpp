#include <format>
#include <glaze/glaze.hpp>
#include <print>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"

namespace hotmic::cli {
namespace wire {

struct ProviderJson {
    std::string name;
    Availability availability;
    Capabilities capabilities;
};

}  // namespace wire

namespace {

using wire::ProviderJson;

std::string abilities(const Capabilities& can) {
    std::string text;
    const auto add = [&](bool has, std::string_view what) {
        if (has) text += std::format("{}{}", text.empty() ? "" : ", ", what);
    };
    add(can.streaming, "streaming");
    add(can.hotwords, "hot words");
    add(can.word_timestamps, "word timestamps");
    add(can.language_detection, "language detection");
    add(can.translate, "translation");
    add(can.prompt, "prompts");
    add(can.temperature, "temperature");
    return text;
}

std::string join(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

}  // namespace

int providers(bool json, const ProviderRegistry& registry) {
    std::vector<ProviderJson> all;
    for (const auto& provider : registry.all()) {
        all.push_back({std::string(provider->name()), provider->availability(), provider->capabilities()});
    }
    if (json) {
        std::println("{}", glz::write<glz::opts{.prettify = true}>(all).value_or("[]"));
        return 0;
    }
    for (const auto& [name, here, can] : all) {
        std::println("{}", paint(stdout, Colour::bold, name));
        std::vector<std::vector<std::string>> rows;
        if (here.available) {
            rows.push_back({"available", paint(stdout, Colour::green, "yes")});
        } else {
            rows.push_back({"available", paint(stdout, Colour::red, "no") + ": " + here.reason});
            if (!here.remedy.empty()) rows.push_back({"remedy", here.remedy});
        }
        if (!here.version.empty()) rows.push_back({"version", here.version});
        if (!here.devices.empty()) rows.push_back({"computes on", join(here.devices)});
        rows.push_back({"can do", abilities(can)});
        rows.push_back({"languages", can.languages.size() > 12
                                         ? std::format("{}, among them {}", can.languages.size(),
                                                       join({can.languages.begin(), can.languages.begin() + 6}))
                                         : join(can.languages)});
        if (!can.cancel_granularity.empty()) rows.push_back({"cancels", can.cancel_granularity});
        std::print("{}", aligned(rows, 2));
    }
    return 0;
}

}  // namespace hotmic::cli
