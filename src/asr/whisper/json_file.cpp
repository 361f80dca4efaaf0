#include "asr/whisper/json_file.hpp"

#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotmic/error.hpp"

namespace hotmic::whisper {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kLargestJson = 32u << 20;

}  // namespace

Result<std::string> whole_file(const fs::path& path, std::string_view what, std::string_view remedy) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (error) {
        return fail(ErrorCode::model_file_missing,
                    std::format("{} has no {}", path.parent_path().string(), path.filename().string()),
                    std::format("add {} from where the model came from: it holds {}", path.filename().string(), what),
                    "path");
    }
    if (size > kLargestJson) {
        return fail(ErrorCode::model_corrupt, std::format("{} has {} bytes", path.string(), size), std::string(remedy),
                    "path");
    }
    std::ifstream in(path, std::ios::binary);
    std::string text(size, '\0');
    if (!in.read(text.data(), static_cast<std::streamsize>(size))) {
        return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be read", path.string()),
                    "check its permissions", "path");
    }
    return text;
}

Result<glz::generic> json_file(const fs::path& path, std::string_view what, std::string_view remedy) {
    auto text = whole_file(path, what, remedy);
    if (!text) return std::unexpected(std::move(text).error());
    auto parsed = glz::read_json<glz::generic>(*text);
    if (!parsed || !parsed->is_object()) {
        return fail(ErrorCode::model_corrupt, std::format("{} is not the JSON it should be", path.string()),
                    std::string(remedy), "path");
    }
    return *std::move(parsed);
}

/// An integer of JSON within [0, most].
std::optional<std::int32_t> whole_number(const glz::generic& value, double most) {
    if (!value.is_number()) return std::nullopt;
    const double number = value.get_number();
    if (!(number >= 0 && number <= most) || number != static_cast<std::int32_t>(number)) return std::nullopt;
    return static_cast<std::int32_t>(number);
}

const glz::generic* member(const glz::generic& object, std::string_view name) {
    if (!object.is_object()) return nullptr;
    const auto& members = object.get_object();
    const auto found = members.find(name);
    return found == members.end() ? nullptr : &found->second;
}

}  // namespace hotmic::whisper
