#include "audio/clip.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic::audio {
namespace {

constexpr unsigned char kEncoded[HOTMIC_CLIP_BYTES] = {
#embed "clip/hotmic-clip.flac"
};
constexpr char kText[] = {
#embed "clip/hotmic-clip.txt"
};

/// The 44 bytes before the samples of a mono 16-bit WAV file.
std::array<std::byte, 44> wav_header(std::size_t data_bytes) {
    static_assert(std::endian::native == std::endian::little, "WAV is little-endian, and so are we");
    constexpr std::uint32_t kUnknown = std::numeric_limits<std::uint32_t>::max();
    struct Header {
        std::array<char, 4> riff{'R', 'I', 'F', 'F'};
        std::uint32_t riff_bytes = 0;
        std::array<char, 8> format{'W', 'A', 'V', 'E', 'f', 'm', 't', ' '};
        std::uint32_t format_bytes = 16;
        std::uint16_t pcm = 1;
        std::uint16_t channels = 1;
        std::uint32_t rate = kSampleRate;
        std::uint32_t bytes_per_second = kSampleRate * sizeof(std::int16_t);
        std::uint16_t bytes_per_sample = sizeof(std::int16_t);
        std::uint16_t bits_per_sample = 16;
        std::array<char, 4> data{'d', 'a', 't', 'a'};
        std::uint32_t data_bytes = 0;
    } header;
    header.riff_bytes = static_cast<std::uint32_t>(std::min<std::size_t>(data_bytes + 36, kUnknown));
    header.data_bytes = header.riff_bytes == kUnknown ? kUnknown : header.riff_bytes - 36;
    return std::bit_cast<std::array<std::byte, 44>>(header);
}

std::vector<float> decode(const Clip& clip) {
    auto source = open_media(clip.encoded);
    auto samples = source ? read_all(**source) : Result<std::vector<float>>(std::unexpected(source.error()));
    return std::move(samples).value_or(std::vector<float>{});
}

}  // namespace

DecodeLimits clip_limits() {
    return {.formats = {.containers = {"flac", "wav"}, .codecs = {"flac", "pcm_s16le"}}};
}

const Clip& builtin_clip() {
    static const Clip clip = [] {
        const auto bytes = std::as_bytes(std::span(kEncoded));
        Clip made{.encoded = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end()),
                  .text = {std::begin(kText), std::ranges::find(kText, '\n')},
                  .language = "en"};
        made.length = seconds_of(decode(made).size());
        return made;
    }();
    return clip;
}

Result<Clip> load_clip(const std::filesystem::path& path, std::string text) {
    constexpr Seconds kLongest(60);
    auto source = open_media_file(path, {.max_length = kLongest});
    if (!source) return std::unexpected(std::move(source).error());
    const auto samples = read_all(**source);
    if (!samples) return std::unexpected(samples.error());
    return Clip{.encoded = encode_wav(*samples), .text = std::move(text), .length = seconds_of(samples->size())};
}

Result<std::vector<float>> clip_of_length(Seconds length, const Clip& clip) {
    constexpr std::size_t kPause = kSampleRate / 4;
    if (!(length >= Seconds::zero() && length <= kLongestClip)) {  // also false for what is not a number
        return fail(ErrorCode::invalid_request, std::format("there is no clip of {} s", length.count()),
                    std::format("ask for 0 to {} s", kLongestClip.count()));
    }
    auto source = open_media(clip.encoded);
    if (!source) return std::unexpected(std::move(source).error());
    const auto speech = read_all(**source);
    if (!speech) return std::unexpected(speech.error());

    const auto wanted = static_cast<std::size_t>(std::llround(length.count() * kSampleRate));
    std::vector<float> samples;
    samples.reserve(wanted + speech->size() + kPause);
    while (samples.size() < wanted) {
        samples.insert(samples.end(), speech->begin(), speech->end());
        samples.resize(samples.size() + kPause);
    }
    samples.resize(wanted);
    return samples;
}

std::shared_ptr<const std::vector<std::byte>> encode_wav(AudioView samples) {
    std::vector<std::int16_t> pcm(samples.size());
    std::ranges::transform(samples, pcm.begin(), [](float sample) {
        return static_cast<std::int16_t>(std::lround(std::clamp(sample, -1.0F, 1.0F) * 32767));
    });

    const auto data = std::as_bytes(std::span(pcm));
    const auto header = wav_header(data.size());
    auto encoded = std::make_shared<std::vector<std::byte>>(header.begin(), header.end());
    encoded->insert(encoded->end(), data.begin(), data.end());
    return encoded;
}

}  // namespace hotmic::audio
