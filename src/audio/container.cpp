#include "audio/container.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <format>
#include <span>
#include <string_view>
#include <utility>

#include "audio/looks_like.hpp"

namespace hotmic::audio {
namespace {

/// What people record to. Nothing that names other files or addresses (playlists, concat, SDP), and no pictures.
constexpr const char* kContainers =
    "wav,w64,aiff,au,caf,flac,mp3,ogg,aac,ac3,eac3,amr,amrnb,amrwb,gsm,tta,wv,ape,mpc,mpc8,asf,avi,flv,mpeg,mpegts,"
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm";

/// What people record with, by the names of `avcodec_get_name`; besides these, all of pcm_* and adpcm_*.
constexpr std::array<std::string_view, 42> kCodecs{
    "aac",    "aac_latm", "ac3",    "alac",     "amr_nb",     "amr_wb",    "ape",       "dts",        "eac3",
    "evrc",   "flac",     "g723_1", "g729",     "gsm",        "gsm_ms",    "ilbc",      "mace3",      "mace6",
    "mlp",    "mp1",      "mp2",    "mp3",      "mp4als",     "musepack7", "musepack8", "nellymoser", "opus",
    "qcelp",  "s302m",    "speex",  "truehd",   "truespeech", "tta",       "vorbis",    "wavpack",    "wmalossless",
    "wmapro", "wmav1",    "wmav2",  "wmavoice", "dss_sp",     "qdm2",
};

constexpr int kIoBufferBytes = 64 << 10;
/// Bytes libav gets at once. So few that no more than a handful of forged tracks or fragments are between two looks at
/// what it has allocated; a track of MP4 takes 220, and reading is a copy, so small pieces cost next to nothing.
constexpr std::size_t kPieceBytes = 256;
/// Films have tens of tracks (languages, subtitles). Each may cost memory that cannot be counted: Matroska can hold the
/// setup of a codec packed, and libav takes up to 35 MiB to unpack that of one track.
constexpr int kMostTracks = 32;

/// ID3 tags of a version that libav does not know are skipped by it.
constexpr std::uint8_t kUnknownTagVersion = 0x7F;

/// Only called for what names other files. An upload opens nothing but itself.
int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
    return AVERROR(EPERM);
}

bool may_run(const AVCodec& codec) {
    const std::string_view name = avcodec_get_name(codec.id);
    return codec.type == AVMEDIA_TYPE_AUDIO && av_codec_is_decoder(&codec) != 0 &&
           (name.starts_with("pcm_") || name.starts_with("adpcm_") || std::ranges::contains(kCodecs, name));
}

/// The same failure, said by what the file looks like where it looks like something else than media.
Error named(Error error, ByteStream& stream) {
    std::array<std::uint8_t, kLookBytes> front{};
    if (!stream.seek(0)) return error;
    const auto count = std::max<std::int64_t>(0, stream.read(front));
    const auto look = looks_like(std::span(front).first(static_cast<std::size_t>(count)));
    if (!look) return error;
    error.code = ErrorCode::audio_undecodable;
    error.message = std::format("the file is no audio: it looks like {}", look->what);
    if (!look->send.empty()) error.remedy = look->send;
    return error;
}

}  // namespace

std::unexpected<Error> undecodable(std::string why) {
    return fail(ErrorCode::audio_undecodable, "the audio cannot be decoded: " + std::move(why),
                "send wav, flac, mp3, ogg, opus, m4a, webm or mp4", "file");
}

const std::string& audio_decoders() {
    static const std::string names = [] {
        std::string list;
        void* position = nullptr;
        while (const auto* codec = av_codec_iterate(&position)) {
            if (may_run(*codec)) list += (list.empty() ? "" : ",") + std::string(codec->name);
        }
        return list;
    }();
    return names;
}

Container::Container(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}
Container::~Container() = default;

Result<std::unique_ptr<Container>> Container::open(std::unique_ptr<ByteStream> stream) {
    prepare_libav();
    std::unique_ptr<Container> container(new Container(std::move(stream)));
    auto opened =
        container->probe().and_then([&](const AVInputFormat* input) { return container->parse(input); }).and_then([&] {
            return container->choose_track();
        });
    if (auto fine = container->check(); !fine) return std::unexpected(std::move(fine).error());
    if (!opened) return std::unexpected(named(std::move(opened).error(), *container->stream_));
    return container;
}

LibavPtr<AVIOContext> Container::new_io() {
    auto* buffer = static_cast<std::uint8_t*>(av_malloc(kIoBufferBytes));
    return LibavPtr<AVIOContext>(avio_alloc_context(buffer, kIoBufferBytes, 0, this, read_io, nullptr, seek_io));
}

Result<void> Container::check() const {
    if (index_too_big_) {
        return undecodable(std::format("its tables promise more packets than fit in {} MiB", kMostIndexBytes >> 20));
    }
    if (compressed_header_) return undecodable("its header is compressed ('cmov')");
    if (reading_failed_) return fail(ErrorCode::io_error, "the file cannot be read to its end", "check the disk");
    return {};
}

/// Finds the format by its content. Done apart from parsing, because libav would go on in the up to 1 MiB it has
/// probed without asking for bytes, and so without being counted.
Result<const AVInputFormat*> Container::probe() {
    const auto io = new_io();
    const AVInputFormat* input = nullptr;
    const int score = av_probe_input_buffer2(io.get(), &input, "", nullptr, 0, 0);
    if (score < 0) return undecodable(std::format("no known media format ({})", libav_error(score)));
    if (av_match_list(input->name, kContainers, ',') == 0) {
        return undecodable(std::format("it is not taken for a recording, but for {}", input->long_name));
    }
    stream_->seek(0);
    return input;
}

Result<void> Container::parse(const AVInputFormat* input) {
    io_ = new_io();
    auto* context = avformat_alloc_context();
    opening_ = context;
    context->pb = io_.get();
    context->flags |= AVFMT_FLAG_CUSTOM_IO;
    context->io_open = refuse_to_open;
    context->format_whitelist = av_strdup(kContainers);  // also for formats within formats
    context->protocol_whitelist = av_strdup("");
    context->codec_whitelist = av_strdup(audio_decoders().c_str());
    context->max_streams = kMostTracks;
    int code = avformat_open_input(&context, nullptr, input, nullptr);  // frees the context when it fails
    opening_ = context;
    if (code == AVERROR(ENOMEM)) {
        return undecodable(
            std::format("it has over {} tracks, or blocks of over {} MiB", kMostTracks, kMostBlockBytes >> 20));
    }
    if (code < 0) return undecodable(std::format("{}: {}", input->long_name, libav_error(code)));
    format_.reset(context);
    for (unsigned i = 0; i < context->nb_streams; ++i) {
        if (context->streams[i]->codecpar->codec_type != AVMEDIA_TYPE_AUDIO)
            context->streams[i]->discard = AVDISCARD_ALL;
    }
    code = avformat_find_stream_info(context, nullptr);
    if (code < 0) return undecodable(std::format("{}: {}", input->long_name, libav_error(code)));
    return {};
}

Result<void> Container::choose_track() {
    const int best = av_find_best_stream(format_.get(), AVMEDIA_TYPE_AUDIO, -1, -1, &codec_, 0);
    if (best == AVERROR_DECODER_NOT_FOUND) return undecodable("there is no decoder for its audio codec");
    if (best < 0) return no_track();
    track_ = format_->streams[best];
    if (!may_run(*codec_))
        return undecodable(std::format("its codec ({}) is not supported", avcodec_get_name(codec_->id)));
    for (unsigned i = 0; i < format_->nb_streams; ++i) {
        if (format_->streams[i] != track_) format_->streams[i]->discard = AVDISCARD_ALL;
    }
    return {};
}

std::unexpected<Error> Container::no_track() const {
    const std::span streams(format_->streams, format_->nb_streams);
    const bool any = std::ranges::any_of(
        streams, [](const AVStream* stream) { return stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO; });
    if (any) return undecodable("its audio track has no channels or no sample rate");
    return fail(ErrorCode::audio_no_track, std::format("the file ({}) has no audio track", format_->iformat->long_name),
                "send a file with sound", "file");
}

std::size_t Container::index_bytes() const {
    if (opening_ == nullptr) return 0;
    std::size_t entries = 0;
    for (unsigned i = 0; i < opening_->nb_streams; ++i) {
        entries += static_cast<std::size_t>(avformat_index_get_entries_count(opening_->streams[i]));
    }
    return entries * sizeof(AVIndexEntry);
}

int Container::read(std::span<std::uint8_t> out) {
    index_too_big_ = index_too_big_ || index_bytes() > kMostIndexBytes;
    if (index_too_big_) return AVERROR(ENOMEM);
    const auto count = stream_->read(out.first(std::min(out.size(), kPieceBytes)));
    reading_failed_ = reading_failed_ || count < 0;
    if (count < 0) return AVERROR(EIO);
    inspect(out.first(static_cast<std::size_t>(count)));
    if (compressed_header_) return AVERROR(EPERM);
    return count == 0 ? AVERROR_EOF : static_cast<int>(count);
}

/// Looks at bytes on their way to libav for what would make it allocate without being counted, because it unpacks and
/// parses in memory. Patterns may have begun in the bytes before.
void Container::inspect(std::span<std::uint8_t> bytes) {
    if (opening_ == nullptr) return;
    const std::string_view format = opening_->iformat->name;
    const auto before = recent_.size();
    recent_.append(bytes.begin(), bytes.end());
    if (format_ == nullptr || format == "aac") {  // elsewhere tags are in headers only, and in audio it would be chance
        for (auto at = recent_.find("ID3"); at != std::string::npos; at = recent_.find("ID3", at + 1)) {
            const auto version = at + 3;
            if (version >= before && version < recent_.size()) bytes[version - before] = kUnknownTagVersion;
        }
    }
    if (format.starts_with("mov,")) {
        for (auto at = recent_.find("cmov"); at != std::string::npos; at = recent_.find("cmov", at + 1)) {
            if (std::string_view(recent_).substr(at, 12).ends_with("dcom")) compressed_header_ = true;
        }
    }
    constexpr std::size_t kLongestPattern = 12;  // "cmov", four bytes of a length, "dcom"
    if (recent_.size() >= kLongestPattern) recent_.erase(0, recent_.size() - (kLongestPattern - 1));
}

int Container::read_io(void* container, std::uint8_t* buffer, int size) {
    return static_cast<Container*>(container)->read({buffer, static_cast<std::size_t>(size)});
}

std::int64_t Container::seek_io(void* container, std::int64_t offset, int whence) {
    auto& stream = *static_cast<Container*>(container)->stream_;
    switch (whence & ~AVSEEK_FORCE) {
        case AVSEEK_SIZE:
            return stream.size();
        case SEEK_SET:
            break;
        case SEEK_CUR:
            offset += stream.position();
            break;
        case SEEK_END:
            offset += stream.size();
            break;
        default:
            return AVERROR(EINVAL);
    }
    return stream.seek(offset) ? offset : AVERROR(EINVAL);
}

}  // namespace hotmic::audio
