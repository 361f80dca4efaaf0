#include "config/schema.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <format>
#include <ranges>
#include <sstream>

#include <toml++/toml.hpp>

namespace hotmic::config {
namespace {

using std::string_view;

constexpr double kMaxMilliseconds = 30.0 * 24 * 3600 * 1000;
constexpr Range kDuration{0, kMaxMilliseconds};
constexpr Range kPositiveDuration{1, kMaxMilliseconds};

constexpr std::array<string_view, 6> kLogLevels{"trace", "debug", "info", "warn", "error", "off"};
constexpr std::array<string_view, 2> kLogFormats{"text", "json"};
constexpr std::array<string_view, 3> kValidate{"off", "runs", "transcribes"};  // in the order of the enum

constexpr std::array kSections{
    Section{"", "Above all sections."},
    Section{"server", "The HTTP server."},
    Section{"log", "What is written to standard error."},
    Section{
        "models.*",
        "The model. `*` is the name that clients ask for, `default` unless you choose another. This version serves one "
        "model per server."},
    Section{"models.*.warmup", "What happens between loading a model and calling it ready."},
    Section{"models.*.retry", "Trying again after a load that failed for a reason that may pass."},
};

// A row's accessor. A macro because a function pointer per field cannot be made from a pointer to a nested member.
#define IN_CONFIG(member) [](Config& config, Model&) -> Field { return &config.member; }
#define IN_MODEL(member) [](Config&, Model& model) -> Field { return &model.member; }

// clang-format off
constexpr std::array kKeys{
    Key{"models_dir", "Folder in which model files are looked for. Empty: `$XDG_DATA_HOME/hotmic/models`, which usually is `~/.local/share/hotmic/models`.", IN_CONFIG(models_dir)},

    Key{"server.host", "Address to listen on. `0.0.0.0` is every IPv4 interface.", IN_CONFIG(server.host)},
    Key{"server.port", "Port to listen on. 0: any free one, printed at start.", IN_CONFIG(server.port), {0, 65535}},
    Key{"server.api_keys", "Keys that clients may present as `Authorization: Bearer …`. Empty: open to whoever reaches the port.", IN_CONFIG(server.api_keys), {}, {}, true},
    Key{"server.max_body_bytes", "Largest upload in bytes.", IN_CONFIG(server.max_body_bytes), {1024, 16.0 * (1ULL << 30)}},
    Key{"server.max_audio_seconds", "Longest audio of one request in seconds.", IN_CONFIG(server.max_audio_seconds), {1, 7 * 24 * 3600.0}},
    Key{"server.max_connections", "Connections open at once; more are refused.", IN_CONFIG(server.max_connections), {1, 1'000'000}},
    Key{"server.io_threads", "Threads that read and write connections.", IN_CONFIG(server.io_threads), {1, 256}},
    Key{"server.decode_threads", "Threads that decode uploaded media.", IN_CONFIG(server.decode_threads), {1, 256}},
    Key{"server.idle_timeout_ms", "A connection that says nothing for this long is closed.", IN_CONFIG(server.idle_timeout), kPositiveDuration},
    Key{"server.drain_delay_ms", "After SIGTERM: not ready but still serving for this long, so that load balancers notice.", IN_CONFIG(server.drain_delay), kDuration},
    Key{"server.shutdown_timeout_ms", "After SIGTERM: everything has stopped by then.", IN_CONFIG(server.shutdown_timeout), kPositiveDuration},

    Key{"log.level", "Least important lines that are written.", IN_CONFIG(log.level), {}, kLogLevels},
    Key{"log.format", "How a line looks.", IN_CONFIG(log.format), {}, kLogFormats},

    Key{"models.*.provider", "Engine that runs the model (`hotmic providers` lists them). `auto`: the first that recognizes the file, or the best this machine has.", IN_MODEL(provider)},
    Key{"models.*.path", "Model file or folder. Empty: the best found in `models_dir`, else the model that comes with a provider. In a file, relative to that file's folder.", IN_MODEL(path)},
    Key{"models.*.sha256", "Digest the model file must have. Empty: not checked.", IN_MODEL(sha256)},
    Key{"models.*.aliases", "Further names clients may use. `whisper-1` is what OpenAI's clients ask for.", IN_MODEL(aliases)},
    Key{"models.*.slots", "Requests recognized at once. 0: the provider decides for this machine.", IN_MODEL(slots), {0, 256}},
    Key{"models.*.threads", "Threads per slot. 0: the provider decides for this machine.", IN_MODEL(threads), {0, 1024}},
    Key{"models.*.backend", "What to compute on: `auto`, `cpu`, `gpu`, or a device name that `hotmic providers` shows.", IN_MODEL(backend)},
    Key{"models.*.flash_attention", "Use fused attention where the engine has it.", IN_MODEL(flash_attention)},
    Key{"models.*.max_best_of", "Most candidates a request may sample; warmed, so that it costs nothing later.", IN_MODEL(max_best_of), {1, 8}},
    Key{"models.*.max_beam_size", "Widest beam a request may ask for; warmed likewise.", IN_MODEL(max_beam_size), {1, 8}},
    Key{"models.*.isolate", "Run the engine in a worker process, so that a crash or hang of it is an error and not the end.", IN_MODEL(isolate)},
    Key{"models.*.load_timeout_ms", "A load that takes longer is stopped.", IN_MODEL(lifecycle.load_timeout), kPositiveDuration},
    Key{"models.*.stall_timeout_ms", "A load that makes no progress for this long is stopped.", IN_MODEL(lifecycle.stall_timeout), kPositiveDuration},
    Key{"models.*.drain_timeout_ms", "Unloading waits this long for requests under way, then cancels them.", IN_MODEL(lifecycle.drain_timeout), kDuration},
    Key{"models.*.cancel_grace_ms", "Cancelled requests get this long to stop, then the engine is ended.", IN_MODEL(lifecycle.cancel_grace), kDuration},
    Key{"models.*.max_waiting", "Requests that may wait for a slot; more are answered with 429.", IN_MODEL(lifecycle.max_waiting), {0, 1'000'000}},
    Key{"models.*.queue_timeout_ms", "Longest wait for a slot.", IN_MODEL(lifecycle.queue_timeout), kPositiveDuration},
    Key{"models.*.request_timeout_ms", "Longest inference of one request.", IN_MODEL(lifecycle.request_timeout), kPositiveDuration},

    Key{"models.*.warmup.level", "0: none. 1: one short inference, its text checked. 2: also full-length speech and every path that allocates on first use. 3: also all slots at once until latency is steady.", IN_MODEL(lifecycle.warmup.level), {0, 3}},
    Key{"models.*.warmup.validate", "How strictly level 1 looks at the text: any answer will do, it must be well formed, or it must be close to the known one.", IN_MODEL(lifecycle.warmup.validate), {}, kValidate},
    Key{"models.*.warmup.max_word_error_rate", "Of level 1's text against the clip's, for `validate = \"transcribes\"`.", IN_MODEL(lifecycle.warmup.max_word_error_rate), {0, 1}},
    Key{"models.*.warmup.level2.min_duration_ms", "Level 2 infers at least this long.", IN_MODEL(lifecycle.warmup.level2_min_duration), kDuration},
    Key{"models.*.warmup.level3.iterations", "Inferences of level 3 per slot, at least.", IN_MODEL(lifecycle.warmup.level3_iterations), {1, 10'000}},
    Key{"models.*.warmup.level3.min_duration_ms", "Level 3 infers at least this long.", IN_MODEL(lifecycle.warmup.level3_min_duration), kDuration},
    Key{"models.*.warmup.budget_ms", "All levels together; level 1 and one inference of level 2 always run.", IN_MODEL(lifecycle.warmup.budget), kPositiveDuration},
    Key{"models.*.warmup.timeout_ms", "A warmup that takes longer has failed.", IN_MODEL(lifecycle.warmup.timeout), kPositiveDuration},
    Key{"models.*.warmup.ready_if.rtf_p95_below", "Ready only if inference time ÷ audio time is below this (95th percentile of the last level).", IN_MODEL(lifecycle.warmup.ready_if.rtf_p95_below), {0.001, 1000}},
    Key{"models.*.warmup.ready_if.latency_p95_below_ms", "Ready only if latency is below this (95th percentile of the last level).", IN_MODEL(lifecycle.warmup.ready_if.latency_p95_below), kPositiveDuration},

    Key{"models.*.retry.max_attempts", "Attempts in a row, the first included. 1: never tries again.", IN_MODEL(lifecycle.retry.max_attempts), {1, 1000}},
    Key{"models.*.retry.initial_backoff_ms", "Wait before the second attempt; doubled before each further one.", IN_MODEL(lifecycle.retry.initial_backoff), kDuration},
    Key{"models.*.retry.max_backoff_ms", "Longest wait between two attempts.", IN_MODEL(lifecycle.retry.max_backoff), kDuration},
    Key{"models.*.retry.jitter", "Each wait is scaled by a random factor between 1 − jitter and 1 + jitter.", IN_MODEL(lifecycle.retry.jitter), {0, 1}},
};
// clang-format on
#undef IN_CONFIG
#undef IN_MODEL

// Strings always in double quotes.
constexpr auto kQuoted = toml::toml_formatter::default_flags & ~toml::format_flags::allow_literal_strings;

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};

Field any_field(const Key& key) {
    static thread_local Config config;
    static thread_local Model model;
    return key.field(config, model);
}

std::string join(std::span<const string_view> words) {
    std::string text;
    for (const auto word : words) text += (text.empty() ? "" : ", ") + std::string(word);
    return text;
}

std::string type_of(const Value& value) {
    return std::visit(Overloaded{
                          [](std::monostate) { return "nothing"; },
                          [](bool) { return "a boolean"; },
                          [](std::int64_t) { return "an integer"; },
                          [](double) { return "a number with a fraction"; },
                          [](const std::string&) { return "a string"; },
                          [](const std::vector<std::string>&) { return "a list of strings"; },
                      },
                      value);
}

std::unexpected<std::string> unexpected_value(const Key& key, const Value& value) {
    const auto expected = expectation_of(key);
    // The right type with a wrong value shows the value, the wrong type shows the type as well.
    const auto shown = std::holds_alternative<std::vector<std::string>>(value) ? "" : " " + to_toml(value);
    return std::unexpected(std::format("expected {}, found {}{}", expected, type_of(value), shown));
}

bool inside(const Range& range, double number) {
    return std::isfinite(number) && number >= range.min && number <= range.max;
}

std::string number_text(double number) {
    if (number == std::floor(number) && std::abs(number) < 1e15) {
        return std::format("{}", static_cast<std::int64_t>(number));
    }
    return std::format("{}", number);
}

}  // namespace

std::span<const Key> keys() noexcept {
    return kKeys;
}
std::span<const Section> sections() noexcept {
    return kSections;
}

const Section& section_of(const Key& key) noexcept {
    const Section* best = &kSections.front();
    for (const auto& section : kSections) {
        const auto& path = section.path;
        const bool holds = key.path.starts_with(path) && key.path.size() > path.size() && key.path[path.size()] == '.';
        if (holds && path.size() > best->path.size()) best = &section;
    }
    return *best;
}

std::string path_of(string_view pattern, string_view model) {
    std::string path(pattern);
    if (const auto star = path.find('*'); star != std::string::npos) path.replace(star, 1, model);
    return path;
}

std::string variable_of(string_view path) {
    std::string name = "HOTMIC_";
    for (const char c : path) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        name += plain ? static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c) : '_';
    }
    return name;
}

Kind kind_of(const Key& key) {
    return std::visit(Overloaded{
                          [](bool*) { return Kind::boolean; },
                          [](double*) { return Kind::number; },
                          [](std::optional<double>*) { return Kind::number; },
                          [](std::string*) { return Kind::text; },
                          [](std::filesystem::path*) { return Kind::text; },
                          [](Validate*) { return Kind::text; },
                          [](std::vector<std::string>*) { return Kind::list; },
                          [](auto*) { return Kind::integer; },
                      },
                      any_field(key));
}

std::string expectation_of(const Key& key) {
    if (!key.choices.empty()) return "one of " + join(key.choices);
    const auto bounds = [&key]() -> std::string {
        if (std::isinf(key.range.min) && std::isinf(key.range.max)) return "";
        return std::format(" from {} to {}", number_text(key.range.min), number_text(key.range.max));
    };
    switch (kind_of(key)) {
        case Kind::boolean:
            return "true or false";
        case Kind::integer:
            return "an integer" + bounds();
        case Kind::number:
            return "a number" + bounds();
        case Kind::text:
            return "a string";
        case Kind::list:
            return "a list of strings";
    }
    std::unreachable();
}

Value read(const Key& key, Config& config, Model& model) {
    return std::visit(
        Overloaded{
            [](bool* field) -> Value { return *field; },
            [](double* field) -> Value { return *field; },
            [](std::string* field) -> Value { return *field; },
            [](std::filesystem::path* field) -> Value { return field->string(); },
            [](std::vector<std::string>* field) -> Value { return *field; },
            [](milliseconds* field) -> Value { return std::int64_t{field->count()}; },
            [](std::optional<double>* field) -> Value { return *field ? Value{**field} : Value{std::monostate{}}; },
            [](std::optional<milliseconds>* field) -> Value {
                return *field ? Value{std::int64_t{(*field)->count()}} : Value{std::monostate{}};
            },
            [](Validate* field) -> Value { return std::string(kValidate[std::to_underlying(*field)]); },
            [](auto* field) -> Value { return static_cast<std::int64_t>(*field); },
        },
        key.field(config, model));
}

std::expected<void, std::string> assign(const Key& key, const Value& value, Config& config, Model& model) {
    const auto* text = std::get_if<std::string>(&value);
    const auto* whole = std::get_if<std::int64_t>(&value);
    std::optional<double> number;
    if (whole) number = static_cast<double>(*whole);
    if (const auto* fraction = std::get_if<double>(&value)) number = *fraction;

    const bool choice_ok = key.choices.empty() || (text && std::ranges::contains(key.choices, *text));
    const auto refuse = [&] { return unexpected_value(key, value); };
    using Outcome = std::expected<void, std::string>;
    return std::visit(Overloaded{
                          [&](bool* field) -> Outcome {
                              const auto* flag = std::get_if<bool>(&value);
                              if (!flag) return refuse();
                              *field = *flag;
                              return {};
                          },
                          [&](std::string* field) -> Outcome {
                              if (!text || !choice_ok) return refuse();
                              *field = *text;
                              return {};
                          },
                          [&](std::filesystem::path* field) -> Outcome {
                              if (!text) return refuse();
                              *field = *text;
                              return {};
                          },
                          [&](Validate* field) -> Outcome {
                              if (!choice_ok) return refuse();
                              *field = static_cast<Validate>(std::ranges::find(kValidate, *text) - kValidate.begin());
                              return {};
                          },
                          [&](std::vector<std::string>* field) -> Outcome {
                              const auto* list = std::get_if<std::vector<std::string>>(&value);
                              if (!list) return refuse();
                              *field = *list;
                              return {};
                          },
                          [&](double* field) -> Outcome {
                              if (!number || !inside(key.range, *number)) return refuse();
                              *field = *number;
                              return {};
                          },
                          [&](std::optional<double>* field) -> Outcome {
                              if (!number || !inside(key.range, *number)) return refuse();
                              *field = number;
                              return {};
                          },
                          [&](milliseconds* field) -> Outcome {
                              if (!whole || !inside(key.range, *number)) return refuse();
                              *field = milliseconds(*whole);
                              return {};
                          },
                          [&](std::optional<milliseconds>* field) -> Outcome {
                              if (!whole || !inside(key.range, *number)) return refuse();
                              *field = milliseconds(*whole);
                              return {};
                          },
                          [&]<class Integer>(Integer* field) -> Outcome {
                              if (!whole || !inside(key.range, *number) || !std::in_range<Integer>(*whole))
                                  return refuse();
                              *field = static_cast<Integer>(*whole);
                              return {};
                          },
                      },
                      key.field(config, model));
}

std::expected<Value, std::string> parse_text(const Key& key, string_view text) {
    const auto refuse = [&] {
        return std::unexpected(std::format("expected {}, found \"{}\"", expectation_of(key), text));
    };
    const auto parse_number = [&]<class Number>(Number) -> std::expected<Value, std::string> {
        Number number{};
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || end != text.data() + text.size()) return refuse();
        return number;
    };
    switch (kind_of(key)) {
        case Kind::boolean:
            if (text == "true" || text == "1") return true;
            if (text == "false" || text == "0") return false;
            return refuse();
        case Kind::integer:
            return parse_number(std::int64_t{});
        case Kind::number:
            return parse_number(double{});
        case Kind::text:
            return std::string(text);
        case Kind::list:
            break;
    }
    std::vector<std::string> list;
    if (text.starts_with('[')) {
        try {
            const auto document = toml::parse(std::format("list = {}", text));
            for (const auto& item : *document["list"].as_array()) {
                if (!item.is_string()) return refuse();
                list.push_back(item.as_string()->get());
            }
        } catch (const toml::parse_error&) {
            return refuse();
        }
        return list;
    }
    if (text.empty()) return list;
    for (const auto part : std::views::split(text, ',')) list.emplace_back(std::string_view(part));
    return list;
}

std::string to_toml(const Value& value) {
    std::ostringstream out;
    std::visit(
        Overloaded{
            [](std::monostate) {},
            // toml++ writes every digit of a double; people want the shortest text that means the same.
            [&](double number) {
                out << (number == std::floor(number) ? std::format("{:.1f}", number) : std::format("{}", number));
            },
            [&](const std::vector<std::string>& list) {
                toml::array array;
                for (const auto& item : list) array.push_back(item);
                out << toml::toml_formatter{array, kQuoted};
            },
            [&](const auto& scalar) { out << toml::toml_formatter{toml::value{scalar}, kQuoted}; },
        },
        value);
    return std::move(out).str();
}

}  // namespace hotmic::config
