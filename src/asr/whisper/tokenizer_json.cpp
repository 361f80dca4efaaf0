#include "asr/whisper/tokenizer_json.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "asr/whisper/json_file.hpp"
#include "hotmic/error.hpp"

namespace hotmic::whisper {
namespace {

namespace fs = std::filesystem;

/// GPT-2's spelling of bytes as printable characters, read back (openai/gpt-2, encoder.py, bytes_to_unicode).
class ByteAlphabet {
public:
    ByteAlphabet() {
        int next = 256;
        for (int byte = 0; byte < 256; ++byte) {
            const bool printable =
                (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
            bytes_[static_cast<std::size_t>(printable ? byte : next++)] = static_cast<std::int16_t>(byte);
        }
    }
    /// Nothing for text that is not of the alphabet.
    [[nodiscard]] std::optional<std::string> read(std::string_view text) const {
        std::string bytes;
        for (std::size_t i = 0; i < text.size();) {
            const auto lead = static_cast<unsigned char>(text[i]);
            std::size_t code = lead;
            std::size_t length = 1;
            if (lead >= 0xC0 && lead < 0xE0 &&
                i + 1 < text.size()) {  // every character of the alphabet is below U+0800
                code = (lead & 0x1FU) << 6U | (static_cast<unsigned char>(text[i + 1]) & 0x3FU);
                length = 2;
            }
            if (code >= bytes_.size() || bytes_[code] < 0) return std::nullopt;
            bytes += static_cast<char>(bytes_[code]);
            i += length;
        }
        return bytes;
    }

private:
    std::array<std::int16_t, 512> bytes_ = [] {
        std::array<std::int16_t, 512> none{};
        none.fill(-1);
        return none;
    }();
};

}  // namespace

Result<TokenizerFile> read_tokenizer(const fs::path& path, std::string_view remedy) {
    TokenizerFile made;
    auto tokenizer = json_file(path, "its tokens", remedy);
    if (!tokenizer) return std::unexpected(std::move(tokenizer).error());
    const auto corrupt = [&](std::string what) {
        return fail(ErrorCode::model_corrupt, std::format("{} is damaged: {}", path.string(), what),
                    std::string(remedy), "path");
    };
    const auto* model = member(*tokenizer, "model");
    const auto* pieces = model == nullptr ? nullptr : member(*model, "vocab");
    const auto* added = member(*tokenizer, "added_tokens");
    if (pieces == nullptr || !pieces->is_object() || added == nullptr || !added->is_array())
        return corrupt("it has no vocabulary");
    for (const auto& each : added->get_array()) {
        const auto* content = member(each, "content");
        const auto* id = member(each, "id");
        const auto number = id == nullptr ? std::nullopt : whole_number(*id);
        if (content == nullptr || !content->is_string() || !number) return corrupt("an added token without its id");
        made.added.emplace_back(content->get_string(), *number);
    }
    const std::set<std::string, std::less<>> special = [&] {
        std::set<std::string, std::less<>> names;
        for (const auto& [name, id] : made.added) names.insert(name);
        return names;
    }();
    const ByteAlphabet alphabet;
    std::map<std::int32_t, std::string> by_id;
    for (const auto& [piece, id] : pieces->get_object()) {
        if (special.contains(piece)) continue;
        const auto number = whole_number(id);
        auto bytes = alphabet.read(piece);
        if (!number || !bytes) return corrupt(std::format("token \"{}\" cannot be read", piece));
        if (!by_id.emplace(*number, *std::move(bytes)).second) return corrupt(std::format("two tokens {}", *number));
    }
    for (auto& [id, bytes] : by_id) {
        if (id != static_cast<std::int32_t>(made.vocabulary.size()))
            return corrupt(std::format("there is no token {}", made.vocabulary.size()));
        made.vocabulary.push_back(std::move(bytes));
    }
    return made;
}

}  // namespace hotmic::whisper
