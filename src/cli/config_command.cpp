#include <print>

#include "cli/commands.hpp"
#include "config/print.hpp"

namespace hotmic::cli {

int config_command(const ConfigFlags& flags, const ConfigCommandFlags& what) {
    if (what.docs) {
        std::print("{}", config::documentation());
        return 0;
    }
    const auto loaded = load_config(flags, true);
    if (!loaded) return report(loaded.error());
    std::print("{}", what.json ? config::to_json(*loaded) : config::to_toml(*loaded));
    return 0;
}

}  // namespace hotmic::cli
