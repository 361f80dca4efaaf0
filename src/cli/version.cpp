#include <spdlog/version.h>
#include <CLI/Version.hpp>
#include <toml++/impl/version.hpp>

#include <format>
#include <glaze/glaze.hpp>
#include <map>
#include <print>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "hotmic/provider.hpp"

extern "C" {
#include <libavutil/avutil.h>
}

namespace hotmic::cli {
namespace wire {

struct VersionJson {
    std::string version = HOTMIC_VERSION;
    std::string revision = HOTMIC_REVISION;
    std::string build = HOTMIC_BUILD_TYPE;
    std::string compiler = HOTMIC_COMPILER;
    std::map<std::string, std::string> providers{};
    std::map<std::string, std::string> libraries{};
};

}  // namespace wire

namespace {

using wire::VersionJson;

}  // namespace

int version(bool json, const ProviderRegistry& registry) {
    VersionJson all;
    for (const auto& provider : registry.all()) {
        const auto here = provider->availability();
        all.providers[std::string(provider->name())] = here.available ? here.version : "not available";
    }
    all.libraries = {
        {"CLI11", CLI11_VERSION},
        {"libav", av_version_info()},
        {"spdlog", std::format("{}.{}.{}", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)},
        {"toml++", std::format("{}.{}.{}", TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH)},
        {"glaze", std::format("{}.{}.{}", glz::version.major, glz::version.minor, glz::version.patch)},
    };
    if (json) {
        std::println("{}", glz::write<glz::opts{.prettify = true}>(all).value_or("{}"));
        return 0;
    }
    std::println("hotmic {}{}", all.version, all.revision.empty() ? "" : std::format(" ({})", all.revision));
    std::vector<std::vector<std::string>> rows{{"build", all.build}, {"compiler", all.compiler}};
    for (const auto& [name, text] : all.providers) rows.push_back({name, text});
    for (const auto& [name, text] : all.libraries) rows.push_back({name, text});
    std::print("{}", aligned(rows, 2));
    return 0;
}

}  // namespace hotmic::cli
