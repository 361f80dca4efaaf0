#include "audio/formats.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <functional>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"

namespace hotmic::audio {
namespace {

/// What people record to. Nothing that names other files or addresses (playlists, concat, SDP), and no pictures.
constexpr std::string_view kContainers =
    "wav,w64,aiff,au,caf,flac,mp3,ogg,aac,ac3,eac3,amr,amrnb,amrwb,gsm,tta,wv,ape,asf,avi,flv,mpeg,mpegts,"
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm";

/// What people record with, by the names of `avcodec_get_name`. No codecs of games and of the nineties' web.
constexpr std::array<std::string_view, 62> kCodecs{
    "aac", "aac_latm", "ac3", "alac", "amr_nb", "amr_wb", "ape", "dts", "eac3", "flac", "g723_1", "g729", "gsm",
    "gsm_ms", "ilbc", "mp1", "mp2", "mp3", "opus", "speex", "tta", "vorbis", "wavpack", "wmalossless", "wmapro",
    "wmav1", "wmav2", "wmavoice",
    // samples, of any width
    "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_s8",
    "pcm_u8", "pcm_s8_planar", "pcm_s16be", "pcm_s16le", "pcm_s16be_planar", "pcm_s16le_planar", "pcm_u16be",
    "pcm_u16le", "pcm_s24be", "pcm_s24le", "pcm_s24le_planar", "pcm_u24be", "pcm_u24le", "pcm_s32be", "pcm_s32le",
    "pcm_s32le_planar", "pcm_u32be", "pcm_u32le",
    // differences
    "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_g722", "adpcm_g726", "adpcm_g726le", "adpcm_yamaha"};

/// They open what a file names.
constexpr std::array<std::string_view, 14> kNeverContainers{"hls",
                                                            "dash",
                                                            "concat",
                                                            "sdp",
                                                            "rtsp",
                                                            "rtp",
                                                            "imf",
                                                            "image2",
                                                            "tty",
                                                            "lavfi",
                                                            "applehttp",
                                                            "vobsub",
                                                            "webm_dash_manifest",
                                                            "sap"};

bool is_audio_decoder(const AVCodec& codec) {
    return codec.type == AVMEDIA_TYPE_AUDIO && av_codec_is_decoder(&codec) != 0;
}

std::string joined(const std::vector<std::string>& names) {
    std::string list;
    for (const auto& name : names) list += (list.empty() ? "" : ",") + name;
    return list;
}

/// Of the codecs that are taken.
std::string decoders_where(const std::function<bool(std::string_view)>& takes) {
    std::string list;
    void* position = nullptr;
    while (const auto* codec = av_codec_iterate(&position)) {
        if (is_audio_decoder(*codec) && takes(avcodec_get_name(codec->id)))
            list += (list.empty() ? "" : ",") + std::string(codec->name);
    }
    return list;
}

std::string decoders_of(const MediaFormats& wanted) {
    static const auto usual =
        decoders_where([](std::string_view name) { return std::ranges::contains(kCodecs, name); });
    if (wanted.codecs.empty()) return usual;
    return decoders_where([&](std::string_view name) { return std::ranges::contains(wanted.codecs, name); });
}

/// Whether a comma-separated list holds the name.
bool holds(std::string_view list, std::string_view name) {
    return std::ranges::any_of(std::views::split(list, ','), [&](auto part) { return std::string_view(part) == name; });
}

bool has_demuxer(std::string_view name) {
    void* position = nullptr;
    while (const auto* format = av_demuxer_iterate(&position)) {
        if (holds(format->name, name)) return true;
    }
    return false;
}

}  // namespace

Formats::Formats(const MediaFormats& wanted)
    : containers_(wanted.containers.empty() ? std::string(kContainers) : joined(wanted.containers)),
      decoders_(decoders_of(wanted)) {}

bool Formats::takes(const AVInputFormat& container) const {
    return av_match_list(container.name, containers_.c_str(), ',') != 0;
}

bool Formats::takes(const AVCodec& codec) const {
    return is_audio_decoder(codec) && holds(decoders_, codec.name);
}

Result<void> check(const MediaFormats& wanted) {
    const auto refused = [](const char* key, const std::string& name, std::string_view why, const char* remedy) {
        return fail(ErrorCode::config_invalid, std::format("{} names {}, {}", key, name, why), remedy, key);
    };
    for (const auto& name : wanted.containers) {
        if (std::ranges::contains(kNeverContainers, name)) {
            return refused("audio.containers", name, "whose files name other files or addresses",
                           "remove it: an upload opens nothing but itself");
        }
        if (!has_demuxer(name)) {
            return refused("audio.containers", name, "which libav here does not know",
                           "`ffmpeg -demuxers` lists those there are");
        }
    }
    for (const auto& name : wanted.codecs) {
        const auto* codec = avcodec_descriptor_get_by_name(name.c_str());
        if (codec == nullptr || codec->type != AVMEDIA_TYPE_AUDIO || avcodec_find_decoder(codec->id) == nullptr) {
            return refused("audio.codecs", name, "which is no codec of audio that libav here decodes",
                           "`ffmpeg -codecs` lists those there are");
        }
    }
    return {};
}

}  // namespace hotmic::audio
