#include "asr/providers/onnx/whisper/onnx_tokens.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <format>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "asr/providers/onnx/whisper/onnx_file.hpp"
#include "asr/providers/onnx/whisper/onnx_layout.hpp"
#include "asr/providers/onnx/whisper/onnx_names.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "asr/whisper/json_file.hpp"
#include "asr/whisper/tokenizer_json.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGetAnother = "download all files of the model again";

std::optional<std::string> base64_decode(std::string_view text) {
    std::string bytes(text.size() / 4 * 3, '\0');
    if (text.empty()) return bytes;
    const auto length = text.size() % 4 != 0 ? -1
                                             : EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                                               reinterpret_cast<const unsigned char*>(text.data()),
                                                               static_cast<int>(text.size()));
    if (length < 0) return std::nullopt;
    // It counts padding as bytes.
    const auto padding = static_cast<std::size_t>(std::ranges::count(text.substr(text.size() - 2), '='));
    bytes.resize(static_cast<std::size_t>(length) - padding);
    return bytes;
}

std::vector<Token> tokens_in(const glz::generic& object, std::string_view key) {
    std::vector<Token> made;
    const auto* list = whisper::member(object, key);
    if (list == nullptr || !list->is_array()) return made;
    for (const auto& each : list->get_array())
        if (const auto id = whisper::whole_number(each)) made.push_back(*id);
    return made;
}

Result<OnnxTokens> huggingface_tokens(const OnnxLayout& layout) {
    auto tokenizer = whisper::read_tokenizer(layout.tokens, kGetAnother);
    if (!tokenizer) return std::unexpected(std::move(tokenizer).error());
    auto special = SpecialTokens::from_names(tokenizer->added);
    if (!special) return std::unexpected(std::move(special).error());
    OnnxTokens made{.vocabulary = std::move(tokenizer->vocabulary), .special = *std::move(special)};
    const auto file = layout.tokens.parent_path() / "generation_config.json";
    std::error_code error;
    if (!fs::exists(file, error)) return made;
    const auto config = whisper::json_file(file, "which tokens are never decoded", kGetAnother);
    if (!config) return std::unexpected(config.error());
    made.suppressed = tokens_in(*config, "suppress_tokens");
    made.suppressed_at_begin = tokens_in(*config, "begin_suppress_tokens");
    if (const auto* heads = whisper::member(*config, "alignment_heads"); heads != nullptr && heads->is_array()) {
        for (const auto& each : heads->get_array()) {
            if (!each.is_array() || each.get_array().size() != 2) continue;
            const auto layer = whisper::whole_number(each.get_array()[0], 64);
            const auto head = whisper::whole_number(each.get_array()[1], 64);
            if (layer && head) made.alignment_heads.emplace_back(*layer, *head);
        }
    }
    return made;
}

Result<OnnxTokens> sherpa_tokens(const OnnxLayout& layout, const OnnxFile& encoder) {
    const auto text_of = [&](std::string_view key) -> std::string_view {
        const auto found = encoder.metadata.find(key);
        return found == encoder.metadata.end() ? std::string_view{} : std::string_view(found->second);
    };
    if (const auto kind = text_of("model_type"); !kind.starts_with("whisper")) {
        return fail(ErrorCode::model_unsupported,
                    std::format("{} is a model of type \"{}\", not whisper", encoder.path.string(), kind),
                    "give an export of Whisper", "path");
    }
    OnnxTokens made;
    struct Wanted {
        std::string_view key;
        Token* into;
    };
    auto& special = made.special;
    for (const auto& [key, into] :
         {Wanted{"eot", &special.end_of_text}, Wanted{"sot", &special.start}, Wanted{"translate", &special.translate},
          Wanted{"transcribe", &special.transcribe}, Wanted{"sot_lm", &special.start_of_lm},
          Wanted{"sot_prev", &special.previous}, Wanted{"no_speech", &special.no_speech},
          Wanted{"no_timestamps", &special.no_timestamps}}) {
        const auto value = parse_number(text_of(key));
        if (!value || *value > static_cast<int>(whisper::kLargestVocabulary))
            return damaged(encoder.path, std::format("its metadata has no {}", key));
        *into = *value;
    }
    special.first_timestamp = special.no_timestamps + 1;
    if (text_of("is_multilingual") == "1") {
        const auto split = [](std::string_view list) {
            std::vector<std::string> parts;
            for (const auto each : std::views::split(list, ',')) parts.emplace_back(std::string_view(each));
            return parts;
        };
        const auto ids = split(text_of("all_language_tokens"));
        const auto codes = split(text_of("all_language_codes"));
        if (ids.size() != codes.size()) return damaged(encoder.path, "its metadata has not a token for each language");
        for (std::size_t i = 0; i < ids.size(); ++i) {
            const auto id = parse_number(ids[i]);
            if (!id) return damaged(encoder.path, "its metadata has a language without a token");
            special.languages.emplace_back(codes[i], *id);
        }
    }
    const auto text = whisper::whole_file(layout.tokens, "its tokens", kGetAnother);
    if (!text) return std::unexpected(text.error());
    made.vocabulary.resize(static_cast<std::size_t>(special.end_of_text));
    for (const auto line : std::views::split(*text, '\n')) {
        std::string_view each(line);
        if (each.ends_with('\r')) each.remove_suffix(1);
        if (each.empty()) continue;
        const auto space = each.rfind(' ');
        const auto id = space == each.npos ? std::nullopt : parse_number(each.substr(space + 1));
        auto piece = space == each.npos ? std::nullopt : base64_decode(each.substr(0, space));
        if (!id || !piece) return damaged(layout.tokens, std::format("\"{}\" is no token", each.substr(0, 40)));
        if (static_cast<std::size_t>(*id) < made.vocabulary.size())
            made.vocabulary[static_cast<std::size_t>(*id)] = *std::move(piece);
    }
    return made;
}

}  // namespace

std::unexpected<Error> damaged(const fs::path& file, std::string_view what) {
    return fail(ErrorCode::model_corrupt, std::format("{} is damaged: {}", file.string(), what), kGetAnother, "path");
}

Result<OnnxTokens> read_tokens(const OnnxLayout& layout, const OnnxFile& encoder) {
    return layout.kind == OnnxLayout::Kind::sherpa ? sherpa_tokens(layout, encoder) : huggingface_tokens(layout);
}

}  // namespace hotmic::onnx
