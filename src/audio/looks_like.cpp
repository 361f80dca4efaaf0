#include "audio/looks_like.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "text/utf8.hpp"

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

constexpr auto kWrapUlaw =
    "wrap it in a header: ffmpeg -f mulaw -ar 8000 -ac 1 -i FILE speech.wav (or -f alaw; with the rate it was recorded "
    "at)"sv;
constexpr auto kWrapPcm =
    "wrap it in a header: ffmpeg -f s16le -ar 16000 -ac 1 -i FILE speech.wav (with the rate and the number of channels "
    "it was recorded at)"sv;

/// How alike neighbours are, from -1 to 1; 0 where there is nothing to compare. Sound is alike, other data is not.
template <class Value>
double likeness_of_neighbours(std::size_t count, Value value) {
    double product = 0;
    double energy = 0;
    for (std::size_t i = 1; i < count; ++i) {
        product += value(i) * value(i - 1);
        energy += value(i) * value(i);
    }
    return energy > 0 ? product / energy : 0;
}

/// G.711's µ-law. A-law has the same sign bit and its segments upside down, so that this tells both from other data.
double ulaw(std::uint8_t byte) {
    const auto flipped = static_cast<std::uint8_t>(~byte);
    const int magnitude = ((flipped & 0x0F) * 2 + 33) << (flipped >> 4 & 7);
    return (flipped & 0x80) != 0 ? 33 - magnitude : magnitude - 33;
}

double alaw(std::uint8_t byte) {
    const int bits = byte ^ 0x55;
    const int segment = bits >> 4 & 7;
    const int mantissa = (bits & 0x0F) * 2 + 1;
    const int magnitude = segment == 0 ? mantissa : (mantissa + 32) << (segment - 1);
    return (bits & 0x80) != 0 ? magnitude : -magnitude;
}

/// What begins like this has a header, and is damaged or not supported.
bool has_media_header(std::string_view front) {
    constexpr std::array kHeaders{"RIFF"sv,
                                  "RIFX"sv,
                                  "RF64"sv,
                                  "BW64"sv,
                                  "riff"sv,
                                  "FORM"sv,
                                  "OggS"sv,
                                  "fLaC"sv,
                                  "ID3"sv,
                                  "caff"sv,
                                  ".snd"sv,
                                  "wvpk"sv,
                                  "MAC "sv,
                                  "TTA1"sv,
                                  "#!AMR"sv,
                                  "FLV"sv,
                                  "MPCK"sv,
                                  "MP+"sv,
                                  "\x1A\x45\xDF\xA3"sv,
                                  "\x30\x26\xB2\x75"sv};
    constexpr std::array kBoxes{"ftyp"sv, "moov"sv, "mdat"sv, "free"sv, "wide"sv, "skip"sv};
    return std::ranges::any_of(kHeaders, [&](auto header) { return front.starts_with(header); }) ||
           std::ranges::any_of(kBoxes, [&](auto box) { return front.size() > 4 && front.substr(4).starts_with(box); });
}

/// Samples without a header, as telephone systems and sound cards record them.
std::optional<Look> raw_audio(std::span<const std::uint8_t> front) {
    constexpr std::size_t kEnough = 256;
    constexpr double kAlike = 0.8;
    if (front.size() < kEnough) return std::nullopt;
    const auto pcm = [&](std::size_t i) {
        return static_cast<double>(static_cast<std::int16_t>(front[2 * i] | front[2 * i + 1] << 8));
    };
    const double as_pcm = likeness_of_neighbours(front.size() / 2, pcm);
    const auto as = [&](auto decode) {
        return likeness_of_neighbours(front.size(), [&](std::size_t i) { return decode(front[i]); });
    };
    const double as_telephone = std::max(as(ulaw), as(alaw));
    if (std::max(as_pcm, as_telephone) < kAlike) return std::nullopt;
    return as_telephone > as_pcm
               ? Look{"raw audio without a header (µ-law or A-law, as telephones record it)", kWrapUlaw}
               : Look{"raw audio without a header (16-bit samples)", kWrapPcm};
}

/// Possibly without the end of its last character.
bool is_utf8(std::string_view front) {
    return front.starts_with(CharacterJoiner().take(front));
}

/// True where no byte is over 0x7F, or those that are stand in sequences of UTF-8, or they are few, as in a Latin code
/// page.
bool has_letters(std::string_view front) {
    const auto high = std::ranges::count_if(front, [](char c) { return static_cast<std::uint8_t>(c) >= 0x80; });
    return high * 3 < static_cast<std::ptrdiff_t>(front.size()) || is_utf8(front);
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
    if (is_text(front) && has_letters(front)) return first_match(kTexts, normalized(front)).value_or(Look{"text"});
    if (std::ranges::all_of(front, [](char c) { return c == '\0'; })) {
        return Look{"a file of zeros", "send the recording again: this copy never got its content"};
    }
    return has_media_header(front) ? std::nullopt : raw_audio(bytes.first(front.size()));
}

}  // namespace hotmic::audio
