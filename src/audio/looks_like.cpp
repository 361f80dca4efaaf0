#include "audio/looks_like.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace hotmic::audio {
namespace {

using namespace std::string_view_literals;

struct Signature {
    std::string_view magic;
    Look look;
    std::size_t at = 0;
};

constexpr auto kUnpack = "unpack it and send the recording inside"sv;
constexpr auto kNamed = "send the recording it names, not the list"sv;
constexpr auto kDownload = "look into it: a failed download often leaves such a file; send the recording itself"sv;

constexpr std::array kBinaries{
    Signature{"%PDF-"sv, {"a PDF document"}},
    Signature{"PK\x03\x04"sv, {"a zip archive or an office document", kUnpack}},
    Signature{"\x1F\x8B"sv, {"a gzip archive", kUnpack}},
    Signature{"7z\xBC\xAF"sv, {"a 7-Zip archive", kUnpack}},
    Signature{"Rar!"sv, {"a RAR archive", kUnpack}},
    Signature{"\x89PNG"sv, {"a PNG image"}},
    Signature{"\xFF\xD8\xFF"sv, {"a JPEG image"}},
    Signature{"GIF8"sv, {"a GIF image"}},
    Signature{"WEBP"sv, {"a WebP image"}, 8},
    Signature{"\x7F"
              "ELF"sv,
              {"a program"}},
    Signature{"MZ"sv, {"a Windows program"}},
    Signature{"MThd"sv, {"a MIDI file", "send a recording: MIDI holds notes and no sound"}},
    Signature{"lmgg"sv, {"a whisper.cpp model", "send a recording; the model belongs in the configuration"}},
    Signature{"GGUF"sv, {"a GGUF model", "send a recording; the model belongs in the configuration"}},
};

/// Compared with a text's front in lower case, after spaces.
constexpr std::array kTexts{
    Signature{"#extm3u"sv, {"a playlist (m3u)", kNamed}},
    Signature{"[playlist]"sv, {"a playlist (pls)", kNamed}},
    Signature{"ffconcat"sv, {"a list of files (ffconcat)", kNamed}},
    Signature{"v=0"sv, {"a session description (SDP)", kNamed}},
    Signature{"<!doctype html"sv, {"a web page (HTML)", kDownload}},
    Signature{"<html"sv, {"a web page (HTML)", kDownload}},
    Signature{"<"sv, {"XML", kDownload}},
    Signature{"{"sv, {"JSON", kDownload}},
    Signature{"["sv, {"JSON", kDownload}},
    Signature{"#!"sv, {"a script"}},
    Signature{"data:"sv, {"a data URL", "decode it (Base64) and send the bytes"}},
};

/// True for a front in which every byte could be of a text (in ASCII, UTF-8 or a Latin code page).
bool is_text(std::string_view front) {
    return std::ranges::none_of(front, [](char c) {
        const auto byte = static_cast<std::uint8_t>(c);
        return (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r' && byte != '\f') || byte == 0x7F;
    });
}

/// The front without byte order mark and leading spaces, in lower case.
std::string normalized(std::string_view front) {
    if (front.starts_with("\xEF\xBB\xBF"sv)) front.remove_prefix(3);
    front.remove_prefix(std::min(front.find_first_not_of(" \t\r\n\f"), front.size()));
    std::string text(front);
    std::ranges::transform(text, text.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
}

std::optional<Look> first_match(std::span<const Signature> signatures, std::string_view front) {
    const auto found = std::ranges::find_if(signatures, [&](const Signature& signature) {
        return front.size() > signature.at && front.substr(signature.at).starts_with(signature.magic);
    });
    return found == signatures.end() ? std::nullopt : std::optional(found->look);
}

}  // namespace

std::optional<Look> looks_like(std::span<const std::uint8_t> bytes) {
    const std::string_view front(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kLookBytes));
    if (front.empty()) return std::nullopt;
    if (const auto found = first_match(kBinaries, front)) return found;
    if (is_text(front)) return first_match(kTexts, normalized(front)).value_or(Look{"text"});
    if (std::ranges::all_of(front, [](char c) { return c == '\0'; })) {
        return Look{"a file of zeros", "send the recording again: this copy never got its content"};
    }
    return std::nullopt;
}

}  // namespace hotmic::audio
