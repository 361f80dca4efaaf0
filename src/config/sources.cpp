#include "config/sources.hpp"

#include <unistd.h>

#include <string>
#include <string_view>

namespace hotmic::config {

namespace fs = std::filesystem;

Sources sources_of_process() {
    Sources sources;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view line(*entry);
        const auto equals = line.find('=');
        if (equals == std::string_view::npos) continue;
        sources.environment.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
    const auto variable = [&](const std::string& name) {
        const auto found = sources.environment.find(name);
        return found == sources.environment.end() ? std::string{} : found->second;
    };
    if (const auto file = variable("HOTMIC_CONFIG"); !file.empty()) {
        sources.file = file;
        sources.file_asked_by = "HOTMIC_CONFIG";
    }
    sources.credentials = variable("CREDENTIALS_DIRECTORY");
    sources.search.emplace_back("hotmic.toml");
    if (const auto home = variable("XDG_CONFIG_HOME"); !home.empty()) {
        sources.search.emplace_back(fs::path(home) / "hotmic/hotmic.toml");
    } else if (const auto user = variable("HOME"); !user.empty()) {
        sources.search.emplace_back(fs::path(user) / ".config/hotmic/hotmic.toml");
    }
    sources.search.emplace_back("/etc/hotmic/hotmic.toml");
    return sources;
}

}  // namespace hotmic::config
