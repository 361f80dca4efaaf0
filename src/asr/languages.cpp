#include "asr/languages.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hotmic {
namespace {

struct Language {
    std::string_view code;
    std::string_view name;
};

// ISO 639-1 (or -3 where there is none) and English name; the set is Whisper's.
constexpr std::array kLanguages{
    Language{"en", "english"},     Language{"zh", "chinese"},    Language{"de", "german"},
    Language{"es", "spanish"},     Language{"ru", "russian"},    Language{"ko", "korean"},
    Language{"fr", "french"},      Language{"ja", "japanese"},   Language{"pt", "portuguese"},
    Language{"tr", "turkish"},     Language{"pl", "polish"},     Language{"ca", "catalan"},
    Language{"nl", "dutch"},       Language{"ar", "arabic"},     Language{"sv", "swedish"},
    Language{"it", "italian"},     Language{"id", "indonesian"}, Language{"hi", "hindi"},
    Language{"fi", "finnish"},     Language{"vi", "vietnamese"}, Language{"he", "hebrew"},
    Language{"uk", "ukrainian"},   Language{"el", "greek"},      Language{"ms", "malay"},
    Language{"cs", "czech"},       Language{"ro", "romanian"},   Language{"da", "danish"},
    Language{"hu", "hungarian"},   Language{"ta", "tamil"},      Language{"no", "norwegian"},
    Language{"th", "thai"},        Language{"ur", "urdu"},       Language{"hr", "croatian"},
    Language{"bg", "bulgarian"},   Language{"lt", "lithuanian"}, Language{"la", "latin"},
    Language{"mi", "maori"},       Language{"ml", "malayalam"},  Language{"cy", "welsh"},
    Language{"sk", "slovak"},      Language{"te", "telugu"},     Language{"fa", "persian"},
    Language{"lv", "latvian"},     Language{"bn", "bengali"},    Language{"sr", "serbian"},
    Language{"az", "azerbaijani"}, Language{"sl", "slovenian"},  Language{"kn", "kannada"},
    Language{"et", "estonian"},    Language{"mk", "macedonian"}, Language{"br", "breton"},
    Language{"eu", "basque"},      Language{"is", "icelandic"},  Language{"hy", "armenian"},
    Language{"ne", "nepali"},      Language{"mn", "mongolian"},  Language{"bs", "bosnian"},
    Language{"kk", "kazakh"},      Language{"sq", "albanian"},   Language{"sw", "swahili"},
    Language{"gl", "galician"},    Language{"mr", "marathi"},    Language{"pa", "punjabi"},
    Language{"si", "sinhala"},     Language{"km", "khmer"},      Language{"sn", "shona"},
    Language{"yo", "yoruba"},      Language{"so", "somali"},     Language{"af", "afrikaans"},
    Language{"oc", "occitan"},     Language{"ka", "georgian"},   Language{"be", "belarusian"},
    Language{"tg", "tajik"},       Language{"sd", "sindhi"},     Language{"gu", "gujarati"},
    Language{"am", "amharic"},     Language{"yi", "yiddish"},    Language{"lo", "lao"},
    Language{"uz", "uzbek"},       Language{"fo", "faroese"},    Language{"ht", "haitian creole"},
    Language{"ps", "pashto"},      Language{"tk", "turkmen"},    Language{"nn", "nynorsk"},
    Language{"mt", "maltese"},     Language{"sa", "sanskrit"},   Language{"lb", "luxembourgish"},
    Language{"my", "myanmar"},     Language{"bo", "tibetan"},    Language{"tl", "tagalog"},
    Language{"mg", "malagasy"},    Language{"as", "assamese"},   Language{"tt", "tatar"},
    Language{"haw", "hawaiian"},   Language{"ln", "lingala"},    Language{"ha", "hausa"},
    Language{"ba", "bashkir"},     Language{"jw", "javanese"},   Language{"su", "sundanese"},
    Language{"yue", "cantonese"},
};

/// Other codes and names for the same, as Whisper's tokenizer and its users know them.
constexpr std::array kAliases{
    Language{"my", "burmese"},   Language{"ca", "valencian"},     Language{"nl", "flemish"},
    Language{"ht", "haitian"},   Language{"lb", "letzeburgesch"}, Language{"ps", "pushto"},
    Language{"pa", "panjabi"},   Language{"ro", "moldavian"},     Language{"ro", "moldovan"},
    Language{"si", "sinhalese"}, Language{"es", "castilian"},     Language{"zh", "mandarin"},
    Language{"jw", "jv"},        Language{"tl", "filipino"},      Language{"he", "iw"},
    Language{"no", "nb"},
};

bool same(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b,
                              [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

std::string_view language_name(std::string_view code) noexcept {
    const auto* found = std::ranges::find(kLanguages, code, &Language::code);
    return found == kLanguages.end() ? code : found->name;
}

std::string_view language_code_at(std::size_t index) noexcept {
    return index < kLanguages.size() ? kLanguages[index].code : std::string_view{};
}

std::optional<std::string_view> language_code(std::string_view code_or_name) noexcept {
    for (const auto& language : kLanguages) {
        if (same(language.code, code_or_name) || same(language.name, code_or_name)) return language.code;
    }
    for (const auto& alias : kAliases) {
        if (same(alias.name, code_or_name)) return alias.code;
    }
    return std::nullopt;
}

std::optional<std::string_view> language_of_locale(std::string_view locale) noexcept {
    if (const auto code = language_code(locale)) return code;
    constexpr std::string_view kSeparators = "-_.@";
    const auto end = locale.find_first_of(kSeparators);
    if (end == locale.npos) return std::nullopt;
    // A language within a larger one has a code of its own, of three letters; a script has four, a country two.
    auto next = locale.substr(end + 1);
    next = next.substr(0, next.find_first_of(kSeparators));
    if (next.size() == 3) {
        if (const auto code = language_code(next)) return code;
    }
    return language_code(locale.substr(0, end));
}

std::string asked_language(const std::string& named) {
    const auto code = language_of_locale(named);
    return code ? std::string(*code) : named;
}

bool has_spaces(std::string_view code) noexcept {
    // The list of OpenAI's whisper, where each token of these is a word of its own.
    constexpr std::array<std::string_view, 6> kWithout{"zh", "ja", "th", "lo", "my", "yue"};
    return !std::ranges::contains(kWithout, code);
}

}  // namespace hotmic
