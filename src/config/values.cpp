// What a key's value may be, and its way between text, TOML and the structs.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <format>
#include <optional>
#include <ranges>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <toml++/toml.hpp>

#include "config/config.hpp"
#include "config/schema.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic::config {
namespace {

using std::string_view;

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
    const bool hidden = key.secret || std::holds_alternative<std::vector<std::string>>(value);
    const auto shown = hidden ? "" : " " + to_toml(value);
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
            [&](Validate* field) -> Value { return std::string(key.choices[std::to_underlying(*field)]); },
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
                              *field =
                                  static_cast<Validate>(std::ranges::find(key.choices, *text) - key.choices.begin());
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
        return std::unexpected(std::format("expected {}, found {}", expectation_of(key),
                                           key.secret ? std::string("something else") : std::format("\"{}\"", text)));
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
