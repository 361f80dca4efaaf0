#include "cli/logging.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <format>
#include <glaze/glaze.hpp>
#include <memory>
#include <string>

#include "cli/terminal.hpp"

namespace hotmic::cli {
namespace {

struct JsonLine {
    std::string time;
    std::string level;
    std::string message;
};

/// One JSON object per line. The message is escaped by the JSON library, so a line stays a line whatever is in it.
class JsonFormatter : public spdlog::formatter {
public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
        const auto level = spdlog::level::to_string_view(message.level);
        const JsonLine line{
            std::format("{:%FT%TZ}", std::chrono::floor<std::chrono::milliseconds>(message.time)),
            std::string(level.data(), level.size()),
            std::string(message.payload.data(), message.payload.size()),
        };
        const auto text = glz::write_json(line).value_or("{}") + "\n";
        out.append(text.data(), text.data() + text.size());
    }
    [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

}  // namespace

void set_up_log(const config::Log& log) {
    spdlog::sink_ptr sink;
    // spdlog's colour sink looks at the terminal, but not at NO_COLOR.
    if (log.format == "text" && paint(stderr, Colour::dim, "x") != "x") {
        sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    } else {
        sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    }
    auto logger = std::make_shared<spdlog::logger>("hotmic", std::move(sink));
    if (log.format == "json") {
        logger->set_formatter(std::make_unique<JsonFormatter>());
    } else {
        logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%-5l%$ %v");
    }
    logger->set_level(spdlog::level::from_str(log.level));
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

}  // namespace hotmic::cli
