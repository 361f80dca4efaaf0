#include "server/http/fields.hpp"

#include <algorithm>
#include <boost/beast/http/rfc7230.hpp>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hotmic::http {
namespace {

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string lower_case(std::string_view text) {
    std::string all(text);
    std::ranges::transform(all, all.begin(), lower);
    return all;
}

bool same_name(std::string_view a, std::string_view b) noexcept {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view Fields::get(std::string_view name) const noexcept {
    const auto found = std::ranges::find_if(fields_, [&](const Field& each) { return same_name(each.first, name); });
    return found == fields_.end() ? std::string_view{} : std::string_view(found->second);
}

bool Fields::has(std::string_view name) const noexcept {
    return std::ranges::any_of(fields_, [&](const Field& each) { return same_name(each.first, name); });
}

void Fields::set(std::string name, std::string value) {
    std::erase_if(fields_, [&](const Field& each) { return same_name(each.first, name); });
    add(std::move(name), std::move(value));
}

void Fields::merge(std::string name, std::string_view value) {
    const auto there = get(name);
    if (there.empty()) return set(std::move(name), std::string(value));
    if (std::ranges::any_of(list_of(there), [&](auto each) { return same_name(each, value); })) return;
    set(std::move(name), std::string(there) + ", " + std::string(value));
}

std::vector<std::string_view> list_of(std::string_view field) {
    std::vector<std::string_view> elements;
    while (!field.empty()) {
        const auto comma = field.find(',');
        auto each = field.substr(0, comma);
        field.remove_prefix(comma == field.npos ? field.size() : comma + 1);
        const auto begin = each.find_first_not_of(" \t");
        if (begin == each.npos) continue;
        elements.push_back(each.substr(begin, each.find_last_not_of(" \t") - begin + 1));
    }
    return elements;
}

const std::string* ParameterizedValue::find(std::string_view name) const noexcept {
    const auto found = std::ranges::find(parameters, name, &Fields::Field::first);
    return found == parameters.end() ? nullptr : &found->second;
}

ParameterizedValue parse_parameters(std::string_view field) {
    const auto semicolon = field.find(';');
    auto value = field.substr(0, semicolon);
    while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
    ParameterizedValue parsed{.value = lower_case(value), .parameters = {}};
    if (semicolon == field.npos) return parsed;
    for (const auto& [name, each] : boost::beast::http::param_list(field.substr(semicolon)))
        parsed.parameters.emplace_back(lower_case(name), std::string(each));
    return parsed;
}

std::string percent_decoded(std::string_view text, bool plus) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned char byte = 0;
        if (text[i] == '%' && i + 2 < text.size()) {
            const auto* digits = text.data() + i + 1;
            if (std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
                decoded += static_cast<char>(byte);
                i += 2;
                continue;
            }
        }
        decoded += plus && text[i] == '+' ? ' ' : text[i];
    }
    return decoded;
}

std::vector<Fields::Field> parse_query(std::string_view query) {
    std::vector<Fields::Field> parameters;
    while (!query.empty()) {
        const auto end = query.find('&');
        const auto each = query.substr(0, end);
        query.remove_prefix(end == query.npos ? query.size() : end + 1);
        if (each.empty()) continue;
        const auto equals = each.find('=');
        parameters.emplace_back(percent_decoded(each.substr(0, equals), true),
                                equals == each.npos ? std::string{} : percent_decoded(each.substr(equals + 1), true));
    }
    return parameters;
}

}  // namespace hotmic::http
