/// Whisper's tokens: bytes of text, and tokens that steer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::onnx {

using Token = std::int32_t;

/// The tokens that steer, by what they mean (openai/whisper, tokenizer.py).
struct SpecialTokens {
    Token end_of_text = 0;
    Token start = 0;  ///< <|startoftranscript|>
    Token translate = 0;
    Token transcribe = 0;
    Token start_of_lm = 0;
    Token previous = 0;  ///< <|startofprev|>: a prompt follows
    Token no_speech = 0;
    Token no_timestamps = 0;
    Token first_timestamp = 0;                               ///< <|0.00|>; each next one is 20 ms later
    std::vector<std::pair<std::string, Token>> languages{};  ///< ISO code and token; empty: English only

    /// As whisper.cpp's files imply them: by the size of the vocabulary.
    [[nodiscard]] static SpecialTokens of_size(int vocabulary);
    /// As they are written in a tokenizer's file. Errors: model_corrupt, naming what is missing.
    [[nodiscard]] static Result<SpecialTokens> from_names(std::span<const std::pair<std::string, Token>> added);
};

/// Seconds between two timestamps.
inline constexpr double kTimestampStep = 0.02;

class Vocabulary {
public:
    /// `pieces`: the bytes of each ordinary token, by id.
    Vocabulary(std::vector<std::string> pieces, SpecialTokens special);

    [[nodiscard]] const SpecialTokens& special() const noexcept { return special_; }
    [[nodiscard]] bool multilingual() const noexcept { return !special_.languages.empty(); }
    [[nodiscard]] bool is_text(Token token) const noexcept {
        return token >= 0 && token < static_cast<Token>(pieces_.size());
    }
    [[nodiscard]] bool is_timestamp(Token token) const noexcept { return token >= special_.first_timestamp; }
    /// Seconds from the beginning of the window.
    [[nodiscard]] double time_of(Token timestamp) const noexcept {
        return (timestamp - special_.first_timestamp) * kTimestampStep;
    }
    /// Its bytes, which need not be whole characters; nothing for tokens that steer.
    [[nodiscard]] std::string_view text_of(Token token) const noexcept {
        return is_text(token) ? std::string_view(pieces_[static_cast<std::size_t>(token)]) : std::string_view{};
    }
    /// By byte pair encoding: the pair that is the earliest token is joined first (openai/tiktoken). Bytes that are no
    /// token are left out.
    [[nodiscard]] std::vector<Token> encode(std::string_view text) const;
    /// The token of a language; none for one that the model does not know.
    [[nodiscard]] std::optional<Token> language_token(std::string_view code) const;

    /// What is never decoded: signs that stand for sounds and speakers, and tokens that steer (openai/whisper,
    /// tokenizer.py, non_speech_tokens). For files that do not say it themselves.
    [[nodiscard]] std::vector<Token> non_speech_tokens() const;

private:
    void encode_word(std::string_view word, std::vector<Token>& into) const;

    std::vector<std::string> pieces_;
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view bytes) const noexcept { return std::hash<std::string_view>{}(bytes); }
    };
    std::unordered_map<std::string, Token, Hash, std::equal_to<>> by_bytes_;  // of its own: a vocabulary is copied
    SpecialTokens special_;
};

}  // namespace hotmic::onnx
