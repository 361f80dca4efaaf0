#include "asr/providers/onnx/whisper/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <clocale>
#include <cstddef>
#include <cstdint>
#include <cwctype>
#include <format>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/languages.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {
namespace {

constexpr int kMultilingualSize = 51865;  // with 99 languages; one more token is one more language

/// What a character is to the splitting into words.
enum class Kind : std::uint8_t { letter, digit, space, other };

/// The C library's tables of Unicode, whatever the process's locale.
locale_t unicode() {
    static const locale_t made = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;
}

struct Character {
    Kind kind;
    std::size_t bytes;
};

/// The first character of `text`, which is not empty. A byte that is no character counts as one.
Character first_of(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    std::size_t bytes = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    bytes = std::min(bytes, text.size());
    wint_t code = lead;
    if (bytes > 1) {
        code = lead & (0xFFU >> (bytes + 1));
        for (std::size_t i = 1; i < bytes; ++i) code = code << 6U | (static_cast<unsigned char>(text[i]) & 0x3FU);
    }
    if (code >= '0' && code <= '9') return {Kind::digit, bytes};
    if (unicode() != nullptr) {
        if (iswspace_l(code, unicode()) != 0) return {Kind::space, bytes};
        if (iswalpha_l(code, unicode()) != 0) return {Kind::letter, bytes};
    }
    return {Kind::other, bytes};
}

/// Splits as GPT-2 does: contractions, words, numbers and signs each with the space before them, and other space
/// ('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+).
std::size_t next_word(std::string_view text) {
    for (const std::string_view contraction : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
        if (text.starts_with(contraction)) return contraction.size();
    std::size_t at = text.front() == ' ' && text.size() > 1 ? 1 : 0;
    const auto run_of = [&](Kind kind, std::size_t from) {
        while (from < text.size()) {
            const auto next = first_of(text.substr(from));
            if (next.kind != kind) break;
            from += next.bytes;
        }
        return from;
    };
    if (const auto kind = first_of(text.substr(at)).kind; kind != Kind::space) return run_of(kind, at);
    const auto end = run_of(Kind::space, 0);
    // The last space belongs to the word behind it.
    return end < text.size() && end > 1 && text[end - 1] == ' ' ? end - 1 : end;
}

}  // namespace

SpecialTokens SpecialTokens::of_size(int vocabulary) {
    SpecialTokens made;
    const bool multilingual = vocabulary >= kMultilingualSize;
    made.end_of_text = multilingual ? 50257 : 50256;
    made.start = made.end_of_text + 1;
    if (multilingual) {
        const int languages = vocabulary - kMultilingualSize + 99;
        for (int i = 0; i < languages; ++i)
            made.languages.emplace_back(language_code_at(static_cast<std::size_t>(i)), made.start + 1 + i);
        made.translate = made.start + 1 + languages;
    } else {
        made.translate = made.start + 1 + 99;  // the languages' tokens are there without having been learnt
    }
    made.transcribe = made.translate + 1;
    made.start_of_lm = made.translate + 2;
    made.previous = made.translate + 3;
    made.no_speech = made.translate + 4;
    made.no_timestamps = made.translate + 5;
    made.first_timestamp = made.translate + 6;
    return made;
}

Result<SpecialTokens> SpecialTokens::from_names(std::span<const std::pair<std::string, Token>> added) {
    SpecialTokens made;
    const auto named = [&](std::string_view name) -> const std::pair<std::string, Token>* {
        const auto found = std::ranges::find(added, name, &std::pair<std::string, Token>::first);
        return found == added.end() ? nullptr : &*found;
    };
    struct Wanted {
        std::string_view name;
        std::string_view other;  // an older spelling
        Token* into;
    };
    for (const auto& [name, other, into] :
         {Wanted{"<|endoftext|>", "", &made.end_of_text}, Wanted{"<|startoftranscript|>", "", &made.start},
          Wanted{"<|translate|>", "", &made.translate}, Wanted{"<|transcribe|>", "", &made.transcribe},
          Wanted{"<|startoflm|>", "", &made.start_of_lm}, Wanted{"<|startofprev|>", "", &made.previous},
          Wanted{"<|nospeech|>", "<|nocaptions|>", &made.no_speech},
          Wanted{"<|notimestamps|>", "", &made.no_timestamps}}) {
        const auto* found = named(name);
        if (found == nullptr && !other.empty()) found = named(other);
        if (found == nullptr) {
            return fail(ErrorCode::model_corrupt, std::format("its tokenizer has no {}", name),
                        "download tokenizer.json again, of the same model", "path");
        }
        *into = found->second;
    }
    made.first_timestamp = made.no_timestamps + 1;
    for (const auto& [name, id] : added) {
        if (!name.starts_with("<|") || !name.ends_with("|>")) continue;
        const auto code = std::string_view(name).substr(2, name.size() - 4);
        if (id <= made.start || id >= made.translate || language_code(code) != code) continue;
        made.languages.emplace_back(code, id);
    }
    // English-only models carry the languages' tokens without having learnt them.
    if (made.end_of_text == 50256) made.languages.clear();
    return made;
}

Vocabulary::Vocabulary(std::vector<std::string> pieces, SpecialTokens special)
    : pieces_(std::move(pieces)), special_(std::move(special)) {
    by_bytes_.reserve(pieces_.size());
    for (std::size_t id = 0; id < pieces_.size(); ++id) by_bytes_.emplace(pieces_[id], static_cast<Token>(id));
}

std::vector<Token> Vocabulary::encode(std::string_view text) const {
    std::vector<Token> tokens;
    while (!text.empty()) {
        const auto length = next_word(text);
        encode_word(text.substr(0, length), tokens);
        text.remove_prefix(length);
    }
    return tokens;
}

void Vocabulary::encode_word(std::string_view word, std::vector<Token>& into) const {
    std::vector<std::string_view> parts;
    parts.reserve(word.size());
    for (std::size_t i = 0; i < word.size(); ++i) parts.push_back(word.substr(i, 1));
    const auto rank_of = [&](std::size_t i) {
        const std::string_view pair(parts[i].data(), parts[i].size() + parts[i + 1].size());
        const auto found = by_bytes_.find(pair);
        return found == by_bytes_.end() ? std::numeric_limits<Token>::max() : found->second;
    };
    while (parts.size() > 1) {
        std::size_t best = 0;
        for (std::size_t i = 1; i + 1 < parts.size(); ++i)
            if (rank_of(i) < rank_of(best)) best = i;
        if (rank_of(best) == std::numeric_limits<Token>::max()) break;
        parts[best] = {parts[best].data(), parts[best].size() + parts[best + 1].size()};
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    for (const auto part : parts)
        if (const auto found = by_bytes_.find(part); found != by_bytes_.end()) into.push_back(found->second);
}

std::optional<Token> Vocabulary::language_token(std::string_view code) const {
    const auto found = std::ranges::find(special_.languages, code, &std::pair<std::string, Token>::first);
    if (found == special_.languages.end()) return std::nullopt;
    return found->second;
}

std::vector<Token> Vocabulary::non_speech_tokens() const {
    static constexpr std::array<std::string_view, 46> kSigns{
        "\"",  "#",  "(",  ")",  "*",   "+",  "/",  ":",   ";",   "<",  "=",  ">",  "@",  "[",   "\\",  "]",
        "^",   "_",  "`",  "{",  "|",   "}",  "~",  "「",  "」",  "『", "』", "<<", ">>", "<<<", ">>>", "--",
        "---", "-(", "-[", "('", "(\"", "((", "))", "(((", ")))", "[[", "]]", "{{", "}}", "♪♪"};
    static constexpr std::array<std::string_view, 8> kNotes{"♩", "♪", "♫", "♬", "♭", "♮", "♯", "♪♪♪"};
    std::set<Token> found;
    const auto add_first = [&](std::string_view text, bool even_if_longer) {
        const auto tokens = encode(text);
        if (!tokens.empty() && (tokens.size() == 1 || even_if_longer)) found.insert(tokens.front());
    };
    // A hyphen or an apostrophe within a word is speech; at the beginning of one it announces a speaker.
    add_first(" -", true);
    add_first(" '", true);
    const auto add_both = [&](std::string_view sign, bool even_if_longer) {
        add_first(sign, even_if_longer);
        add_first(" " + std::string(sign), even_if_longer);
    };
    for (const auto sign : kSigns) add_both(sign, false);
    for (const auto note : kNotes) add_both(note, note != "♪♪♪");
    for (const Token token : {special_.transcribe, special_.translate, special_.start, special_.previous,
                              special_.start_of_lm, special_.no_speech})
        found.insert(token);
    for (const auto& [code, token] : special_.languages) found.insert(token);
    return {found.begin(), found.end()};
}

}  // namespace hotmic::onnx
