#include <algorithm>
#include <cstddef>
#include <ranges>
#include <string>
#include <string_view>

#include "store/catalogue.hpp"

namespace hotmic::store {
namespace {

constexpr std::size_t kLongestName = 128;

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

}  // namespace

bool is_file_name(std::string_view name) {
    return !name.empty() && name.size() <= kLongestName && name.front() != '.' && std::ranges::all_of(name, is_plain);
}

bool is_model_name(std::string_view name) {
    const auto slash = name.find('/');
    if (slash == std::string_view::npos) return is_file_name(name);
    return name.size() <= kLongestName && is_file_name(name.substr(0, slash)) && is_file_name(name.substr(slash + 1));
}

std::string flat_name(std::string name) {
    if (const auto slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
    return name;
}

bool stays_inside(std::string_view path) {
    if (path.empty() || path.front() == '/' || path.contains('\\') || path.contains('\0')) return false;
    return std::ranges::none_of(std::views::split(path, '/'), [](const auto& part) {
        const std::string_view word(part);
        return word.empty() || word == "." || word == "..";
    });
}

bool is_digest(std::string_view text) {
    return text.size() == 64 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace hotmic::store
