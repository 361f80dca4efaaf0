// What the commands share: reading the configuration, reporting errors.
#include <format>

#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "config/load.hpp"
#include "config/sources.hpp"
#include "hotmic/error.hpp"
#include "telemetry/log.hpp"

namespace hotmic::cli {

Result<config::Loaded> load_config(const ConfigFlags& flags, bool quiet) {
    auto sources = config::sources_of_process();
    if (!flags.file.empty()) {
        sources.file = flags.file;
        sources.file_asked_by = "--config";
    }
    sources.flags = flags.settings;
    auto loaded = config::load(sources);
    if (!loaded) return loaded;
    auto log = loaded->config.log;
    if (quiet && loaded->origins.at("log.level").from == config::Origin::From::standard) log.level = "off";
    telemetry::setup_logging(log.level, log.format);
    return loaded;
}

int report(const Error& error) {
    complain(paint(stderr, Colour::red, "hotmic: ") + error.describe());
    return exit_code_of(error.code);
}

int report(const std::string& about, const Error& error) {
    // Messages that already name the file need not name it twice.
    const auto text = error.describe();
    complain(paint(stderr, Colour::red, "hotmic: ") +
             (text.starts_with(about) ? text : std::format("{}: {}", about, text)));
    return exit_code_of(error.code);
}

int report_remote(const Error& error) {
    const int code = report(error);
    return error.code == ErrorCode::io_error ? kServing : code;
}

}  // namespace hotmic::cli
