#include "audio/track_language.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>
#include <utility>

#include "asr/languages.hpp"

namespace hotmic::audio {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

/// ISO 639-2, the codes for terminology and, where they differ, for bibliography, which MP4, Matroska and MPEG use.
constexpr std::array kThreeLetters{
    Pair{"eng", "en"}, Pair{"zho", "zh"}, Pair{"chi", "zh"}, Pair{"cmn", "zh"}, Pair{"deu", "de"}, Pair{"ger", "de"},
    Pair{"spa", "es"}, Pair{"rus", "ru"}, Pair{"kor", "ko"}, Pair{"fra", "fr"}, Pair{"fre", "fr"}, Pair{"jpn", "ja"},
    Pair{"por", "pt"}, Pair{"tur", "tr"}, Pair{"pol", "pl"}, Pair{"cat", "ca"}, Pair{"nld", "nl"}, Pair{"dut", "nl"},
    Pair{"ara", "ar"}, Pair{"swe", "sv"}, Pair{"ita", "it"}, Pair{"ind", "id"}, Pair{"hin", "hi"}, Pair{"fin", "fi"},
    Pair{"vie", "vi"}, Pair{"heb", "he"}, Pair{"ukr", "uk"}, Pair{"ell", "el"}, Pair{"gre", "el"}, Pair{"msa", "ms"},
    Pair{"may", "ms"}, Pair{"ces", "cs"}, Pair{"cze", "cs"}, Pair{"ron", "ro"}, Pair{"rum", "ro"}, Pair{"dan", "da"},
    Pair{"hun", "hu"}, Pair{"tam", "ta"}, Pair{"nor", "no"}, Pair{"nob", "no"}, Pair{"tha", "th"}, Pair{"urd", "ur"},
    Pair{"hrv", "hr"}, Pair{"bul", "bg"}, Pair{"lit", "lt"}, Pair{"lat", "la"}, Pair{"mri", "mi"}, Pair{"mao", "mi"},
    Pair{"mal", "ml"}, Pair{"cym", "cy"}, Pair{"wel", "cy"}, Pair{"slk", "sk"}, Pair{"slo", "sk"}, Pair{"tel", "te"},
    Pair{"fas", "fa"}, Pair{"per", "fa"}, Pair{"lav", "lv"}, Pair{"ben", "bn"}, Pair{"srp", "sr"}, Pair{"aze", "az"},
    Pair{"slv", "sl"}, Pair{"kan", "kn"}, Pair{"est", "et"}, Pair{"mkd", "mk"}, Pair{"mac", "mk"}, Pair{"bre", "br"},
    Pair{"eus", "eu"}, Pair{"baq", "eu"}, Pair{"isl", "is"}, Pair{"ice", "is"}, Pair{"hye", "hy"}, Pair{"arm", "hy"},
    Pair{"nep", "ne"}, Pair{"mon", "mn"}, Pair{"bos", "bs"}, Pair{"kaz", "kk"}, Pair{"sqi", "sq"}, Pair{"alb", "sq"},
    Pair{"swa", "sw"}, Pair{"glg", "gl"}, Pair{"mar", "mr"}, Pair{"pan", "pa"}, Pair{"sin", "si"}, Pair{"khm", "km"},
    Pair{"sna", "sn"}, Pair{"yor", "yo"}, Pair{"som", "so"}, Pair{"afr", "af"}, Pair{"oci", "oc"}, Pair{"kat", "ka"},
    Pair{"geo", "ka"}, Pair{"bel", "be"}, Pair{"tgk", "tg"}, Pair{"snd", "sd"}, Pair{"guj", "gu"}, Pair{"amh", "am"},
    Pair{"yid", "yi"}, Pair{"lao", "lo"}, Pair{"uzb", "uz"}, Pair{"fao", "fo"}, Pair{"hat", "ht"}, Pair{"pus", "ps"},
    Pair{"tuk", "tk"}, Pair{"nno", "nn"}, Pair{"mlt", "mt"}, Pair{"san", "sa"}, Pair{"ltz", "lb"}, Pair{"mya", "my"},
    Pair{"bur", "my"}, Pair{"bod", "bo"}, Pair{"tib", "bo"}, Pair{"tgl", "tl"}, Pair{"fil", "tl"}, Pair{"mlg", "mg"},
    Pair{"asm", "as"}, Pair{"tat", "tt"}, Pair{"lin", "ln"}, Pair{"hau", "ha"}, Pair{"bak", "ba"}, Pair{"jav", "jw"},
    Pair{"sun", "su"},
};

/// The part before a region or script: "de-AT" → "de".
std::string_view primary(std::string_view tag) {
    return tag.substr(0, tag.find_first_of("-_"));
}

bool same(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b,
                              [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::optional<std::string_view> code_of(std::string_view tag) {
    if (const auto known = language_code(tag)) return known;
    const auto language = primary(tag);
    for (const auto& [letters, code] : kThreeLetters) {
        if (same(letters, language)) return code;
    }
    return language_code(language);
}

}  // namespace

bool is_track_language(std::string_view tag, std::string_view wanted) noexcept {
    const auto is = code_of(tag);
    return is && is == code_of(wanted);
}

}  // namespace hotmic::audio
