#include "asr/providers/onnx/transducer/pieces.hpp"

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "asr/providers/onnx/transducer/letter_case.hpp"
#include "hotmic/error.hpp"
#include "text/utf8.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSpaceMark = "▁";
constexpr std::size_t kMostPieces = 1'000'000;
constexpr std::size_t kLongestPiece = 1024;
constexpr const char* kGetTokensAgain = "take the tokens.txt that came with the model";

/// "<0xE4>": one byte.
std::optional<char> byte_of(std::string_view text) {
    if (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>') return std::nullopt;
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, value, 16);
    if (error != std::errc() || end != text.data() + 5) return std::nullopt;
    return static_cast<char>(value);
}

/// The first character is Chinese, Japanese, Thai, Lao, Khmer or Burmese, which are written without spaces.
bool is_without_spaces(std::string_view text) {
    if (text.size() < 3) return false;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto rest = [&](std::size_t i) { return static_cast<char32_t>(byte(i) & 0x3FU); };
    char32_t character = 0;
    if ((byte(0) & 0xF0U) == 0xE0)
        character = static_cast<char32_t>(byte(0) & 0x0FU) << 12U | rest(1) << 6U | rest(2);
    else if ((byte(0) & 0xF8U) == 0xF0 && text.size() >= 4)
        character = static_cast<char32_t>(byte(0) & 0x07U) << 18U | rest(1) << 12U | rest(2) << 6U | rest(3);
    const auto within = [&](char32_t first, char32_t last) { return character >= first && character <= last; };
    return within(0x0E00, 0x0EFF) || within(0x1000, 0x109F) || within(0x1780, 0x17FF) || within(0x3040, 0x30FF) ||
           within(0x3400, 0x9FFF) || within(0xF900, 0xFAFF) || within(0x20000, 0x3FFFF);
}

Pieces::Entry entry_of(std::string_view text) {
    if (const auto byte = byte_of(text)) return {.bytes = std::string(1, *byte)};
    if (text.size() > 2 && text.starts_with('<') && text.ends_with('>')) return {};
    Pieces::Entry entry;
    if (text.starts_with(kSpaceMark) || text.starts_with(' ')) {
        entry.begins_word = true;
        text.remove_prefix(text.starts_with(' ') ? 1 : kSpaceMark.size());
    }
    entry.bytes = text;
    entry.stands_alone = is_without_spaces(text);
    return entry;
}

}  // namespace

Result<Pieces> Pieces::read(const fs::path& file) {
    const auto corrupt = [&](const std::string& what) {
        return fail(ErrorCode::model_corrupt, std::format("{}: {}", file.string(), what), kGetTokensAgain, "path");
    };
    std::error_code error;
    if (!fs::exists(file, error)) {
        return fail(ErrorCode::model_file_missing, std::format("{} is missing", file.string()), kGetTokensAgain,
                    "path");
    }
    std::ifstream in(file);
    if (!in || !fs::is_regular_file(file, error)) {
        return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be read", file.string()),
                    "check its permissions", "path");
    }
    std::vector<std::optional<std::string>> texts;
    std::size_t number = 0;
    std::vector<char> line(kLongestPiece);
    while (in.getline(line.data(), static_cast<std::streamsize>(line.size()))) {
        std::string_view rest(line.data());
        ++number;
        if (rest.ends_with('\r')) rest.remove_suffix(1);
        if (rest.empty()) continue;
        const auto wrong = [&](std::string_view what) { return corrupt(std::format("line {} {}", number, what)); };
        const auto space = rest.find_last_of(" \t");
        const auto digits = space == std::string_view::npos ? rest : rest.substr(space + 1);
        std::size_t id = 0;
        const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
        if (failed != std::errc() || end != digits.data() + digits.size())
            return wrong("has no number of a piece at its end");
        if (id >= kMostPieces) return wrong(std::format("has the number {}, which no model has", id));
        auto text = space == std::string_view::npos ? std::string_view{} : rest.substr(0, space);
        while (text.size() > 1 && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
        if (text.empty()) text = " ";  // the piece is the space itself
        if (id >= texts.size()) texts.resize(id + 1);
        if (texts[id]) return wrong(std::format("has the number {} a second time", id));
        texts[id] = valid_utf8(text);
    }
    if (!in.eof()) return corrupt(std::format("line {} is longer than any piece", number + 1));
    if (texts.empty()) return corrupt("it has no pieces");
    Pieces pieces;
    for (std::size_t id = 0; id < texts.size(); ++id) {
        if (!texts[id]) return corrupt(std::format("there is no piece number {}, but {} in all", id, texts.size()));
        if (*texts[id] == "<unk>") pieces.unknown_ = static_cast<Piece>(id);
        pieces.entries_.push_back(entry_of(*texts[id]));
    }
    return pieces;
}

void Pieces::write_in(const std::string& text_case) {
    const auto convert = text_case == "lower" ? lower_case : text_case == "upper" ? upper_case : nullptr;
    if (convert == nullptr) return;
    for (auto& entry : entries_) entry.bytes = convert(entry.bytes);
}

}  // namespace hotmic::onnx
