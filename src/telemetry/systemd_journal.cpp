#include "telemetry/systemd_journal.hpp"

#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <format>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/message.hpp"

namespace hotmic::telemetry {
namespace {

int priority_of(spdlog::level::level_enum level) {
    switch (level) {
        case spdlog::level::trace:
        case spdlog::level::debug:
            return LOG_DEBUG;
        case spdlog::level::info:
            return LOG_INFO;
        case spdlog::level::warn:
            return LOG_WARNING;
        case spdlog::level::err:
            return LOG_ERR;
        case spdlog::level::critical:
        case spdlog::level::off:
        case spdlog::level::n_levels:
            return LOG_CRIT;
    }
    std::unreachable();
}

/// Behind the value that begins at `at`: a word, or all up to the quotation mark that ends it.
std::size_t end_of_value(std::string_view message, std::size_t at) {
    if (at >= message.size() || message[at] != '"') return std::min(message.find(' ', at), message.size());
    for (++at; at < message.size() && message[at] != '"'; ++at) {
        if (message[at] == '\\') ++at;
    }
    return std::min(at + 1, message.size());
}

class JournalSink final : public spdlog::sinks::base_sink<std::mutex> {
protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        const auto fields = journal_fields(message.level, message_of(message));
        std::vector<iovec> parts;
        parts.reserve(fields.size());
        for (const auto& field : fields)
            parts.push_back({const_cast<char*>(field.data()), field.size()});  // it is only read
        (void)sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
    }
    void flush_() override {}
};

}  // namespace

bool stderr_is_journal() {
    const char* named = std::getenv("JOURNAL_STREAM");
    struct stat file{};
    if (named == nullptr || ::fstat(STDERR_FILENO, &file) != 0) return false;
    return named == std::format("{}:{}", file.st_dev, file.st_ino);
}

std::shared_ptr<spdlog::sinks::sink> make_journal_sink() {
    return std::make_shared<JournalSink>();
}

std::vector<std::string> journal_fields(spdlog::level::level_enum level, std::string_view message) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 4> names{
        {{"request=", "REQUEST_ID="}, {"caller=", "CALLER="}, {"instance=", "INSTANCE_ID="}, {"model=", "MODEL="}}};
    std::vector<std::string> fields{std::format("MESSAGE={}", message), std::format("PRIORITY={}", priority_of(level)),
                                    "SYSLOG_IDENTIFIER=hotmic"};
    std::array<bool, names.size()> found{};
    for (std::size_t at = 0; at < message.size(); ++at) {
        const auto word = message.substr(at);
        const auto equals = word.substr(0, word.find(' ')).find('=');
        if (word.front() == '"') {  // a sentence in quotation marks
            at = end_of_value(message, at);
            continue;
        }
        if (equals == std::string_view::npos) {
            at = std::min(message.find(' ', at), message.size());
            continue;
        }
        const auto begin = at + equals + 1;
        const auto end = end_of_value(message, begin);
        const auto value = message.substr(begin, end - begin);
        for (std::size_t i = 0; i < names.size(); ++i) {
            const auto& [key, field] = names[i];
            if (found[i] || word.substr(0, equals + 1) != key || value.empty() || value == "-" || value.front() == '"')
                continue;
            found[i] = true;
            fields.push_back(std::format("{}{}", field, value));
        }
        at = end;
    }
    return fields;
}

}  // namespace hotmic::telemetry
