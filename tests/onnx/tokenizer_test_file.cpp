#include "onnx/tokenizer_test_file.hpp"

#include <openssl/evp.h>

#include <format>
#include <fstream>
#include <set>
#include <string>
#include <string_view>

#include "text/json.hpp"

namespace hotmic::testing {
namespace {

/// GPT-2's spelling of bytes as printable characters.
std::string spelled(std::string_view bytes) {
    std::string text;
    const auto append = [&](int code) {
        if (code < 0x80) {
            text += static_cast<char>(code);
        } else {
            text += static_cast<char>(0xC0 | code >> 6);
            text += static_cast<char>(0x80 | (code & 0x3F));
        }
    };
    const auto printable = [](int byte) {
        return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
    };
    for (const char each : bytes) {
        const int byte = static_cast<unsigned char>(each);
        int code = byte;
        if (!printable(byte)) {
            code = 256;
            for (int other = 0; other < byte; ++other) code += printable(other) ? 0 : 1;
        }
        append(code);
    }
    return text;
}

}  // namespace

void write_tokenizer_json(const std::filesystem::path& path, const onnx::Vocabulary& vocabulary) {
    const auto& special = vocabulary.special();
    std::string pieces;
    std::set<std::string> seen;
    for (onnx::Token token = 0; token < special.end_of_text; ++token) {
        if (token > 0) pieces += ",";
        // A small vocabulary has places without a piece of their own; a name can stand for one only.
        auto piece = spelled(vocabulary.text_of(token));
        if (!seen.insert(piece).second) piece = std::format("<unused{}>", token);
        pieces += std::format("{}:{}", to_json(piece), token);
    }
    std::string added;
    const auto add = [&](std::string_view name, onnx::Token token) {
        if (!added.empty()) added += ",";
        added += std::format(R"({{"id":{},"content":"<|{}|>"}})", token, name);
    };
    add("endoftext", special.end_of_text);
    add("startoftranscript", special.start);
    for (const auto& [code, token] : special.languages) add(code, token);
    add("translate", special.translate);
    add("transcribe", special.transcribe);
    add("startoflm", special.start_of_lm);
    add("startofprev", special.previous);
    add("nocaptions", special.no_speech);
    add("notimestamps", special.no_timestamps);
    std::ofstream(path) << std::format(R"({{"added_tokens":[{}],"model":{{"vocab":{{{}}}}}}})", added, pieces);
}

void write_tokens_txt(const std::filesystem::path& path, const onnx::Vocabulary& vocabulary) {
    std::ofstream out(path);
    for (onnx::Token token = 0; token < vocabulary.special().end_of_text; ++token) {
        const auto piece = vocabulary.text_of(token);
        if (piece.empty()) continue;  // a small vocabulary has places without one
        std::string encoded(piece.size() * 2 + 8, '\0');
        const auto length =
            EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                            reinterpret_cast<const unsigned char*>(piece.data()), static_cast<int>(piece.size()));
        out << encoded.substr(0, static_cast<std::size_t>(length)) << ' ' << token << '\n';
    }
}

}  // namespace hotmic::testing
