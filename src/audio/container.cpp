#include "audio/container.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "audio/budget.hpp"
#include "audio/byte_stream.hpp"
#include "audio/libav.hpp"
#include "audio/looks_like.hpp"
#include "audio/track_language.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"

namespace hotmic::audio {
namespace {

/// Those of them that may hold several tracks.
constexpr const char* kFilms = "mov,mp4,matroska,webm,mpegts,mpeg,avi,asf,flv";

constexpr int kIoBufferBytes = 64 << 10;
/// Bytes libav gets at once. So few that no more than a handful of forged tracks or fragments are between two looks at
/// what it has allocated; a track of MP4 takes 220, and reading is a copy, so small pieces cost next to nothing.
constexpr std::size_t kPieceBytes = 256;
/// Films have tens of tracks (languages, subtitles). Each may cost memory that cannot be counted: Matroska can hold the
/// setup of a codec packed, and libav takes up to 35 MiB to unpack that of one track.
constexpr int kMostTracks = 32;

/// Bytes after which the budget is looked at.
constexpr std::size_t kUncheckedBytes = 32 << 10;
/// Packets in which the beginning of every track is looked for.
constexpr int kEarlyPackets = 1000;
/// Packets in which the end of every track is looked for: more than fit into the bytes that are read for it.
constexpr int kLatePackets = 2000;

/// ID3 tags of a version that libav does not know are skipped by it.
constexpr std::uint8_t kUnknownTagVersion = 0x7F;

/// Only called for what names other files. An upload opens nothing but itself.
int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
    return AVERROR(EPERM);
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

/// On the clock of the container; none of a picture.
std::optional<double> time_of(const AVFormatContext& format, const AVPacket& packet) {
    const auto* stream = format.streams[packet.stream_index];
    const auto time = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
    if (time == AV_NOPTS_VALUE || (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) return std::nullopt;
    return static_cast<double>(time) * av_q2d(stream->time_base);
}

}  // namespace

std::unexpected<Error> undecodable(std::string why) {
    return fail(ErrorCode::audio_undecodable, "the audio cannot be decoded: " + std::move(why),
                "send wav, flac, mp3, ogg, opus, m4a, webm or mp4", "file");
}

Container::Container(std::unique_ptr<ByteStream> stream, Budget& budget)
    : stream_(std::move(stream)), budget_(budget), formats_(budget.formats()) {}
Container::~Container() = default;

Result<std::unique_ptr<Container>> Container::open(std::unique_ptr<ByteStream> stream, Budget& budget,
                                                   const std::string& wanted, std::size_t place) {
    prepare_libav();
    std::unique_ptr<Container> container(new Container(std::move(stream), budget));
    auto opened =
        container->probe().and_then([&](const AVInputFormat* input) { return container->parse(input); }).and_then([&] {
            return container->choose_track(wanted, place);
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
    if (budget_.exceeded()) return std::unexpected(*budget_.exceeded());
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
    if (!formats_.takes(*input)) {
        return fail(ErrorCode::audio_undecodable,
                    std::format("the audio cannot be decoded: files of this format are not taken ({}, {})",
                                input->long_name, input->name),
                    "send wav, flac, mp3, ogg, opus, m4a, webm or mp4; audio.containers says what is taken", "file");
    }
    stream_->seek(0);
    return input;
}

/// `flags`: of AVFMT_FLAG_…, besides those that every file gets.
Result<LibavPtr<AVFormatContext>> Container::read_header(const AVInputFormat* input, AVIOContext* io, int flags) {
    auto* context = avformat_alloc_context();
    opening_ = context;
    context->pb = io;
    context->flags |= AVFMT_FLAG_CUSTOM_IO | flags;
    // Nothing is ever looked up in the index of Matroska, into which cues in descending order are sorted in quadratic
    // time, without a byte being read.
    if (std::string_view(input->name).starts_with("matroska")) context->flags |= AVFMT_FLAG_IGNIDX;
    context->io_open = refuse_to_open;
    context->format_whitelist = av_strdup(formats_.containers().c_str());  // also for formats within formats
    context->protocol_whitelist = av_strdup("");
    context->codec_whitelist = av_strdup(formats_.decoders().c_str());
    context->max_streams = kMostTracks;
    context->interrupt_callback = {
        .callback = [](void* container) { return static_cast<Container*>(container)->may_go_on() ? 0 : 1; },
        .opaque = this};
    const int code = avformat_open_input(&context, nullptr, input, nullptr);  // frees the context when it fails
    opening_ = context;
    if (code == AVERROR(ENOMEM)) {
        return undecodable(
            std::format("it has over {} tracks, or blocks of over {} MiB", kMostTracks, kMostBlockBytes >> 20));
    }
    if (code == AVERROR_EOF) {
        return fail(ErrorCode::audio_empty,
                    std::format("the file ({}) ends with its header and holds no audio", input->long_name),
                    "send it again: the recorder stopped before it had written any", "file");
    }
    if (code < 0) return undecodable(std::format("{}: {}", input->long_name, libav_error(code)));
    return LibavPtr<AVFormatContext>(context);
}

Result<void> Container::parse(const AVInputFormat* input) {
    if (av_match_list(input->name, kFilms, ',') != 0) look_for_earliest(input);
    io_ = new_io();
    auto header = read_header(input, io_.get(), 0);
    if (!header) return std::unexpected(std::move(header).error());
    format_ = *std::move(header);
    const std::span streams(format_->streams, format_->nb_streams);
    for (auto* stream : streams) {
        if (stream->codecpar->codec_type != AVMEDIA_TYPE_AUDIO) stream->discard = AVDISCARD_ALL;
    }
    const int code = avformat_find_stream_info(format_.get(), nullptr);
    if (code < 0) return undecodable(std::format("{}: {}", input->long_name, libav_error(code)));
    return {};
}

/// Finds out when each track begins, by the times of packets that nobody parses or decodes. Done apart, and before,
/// since the context that plays is given packets of the track only that is heard.
void Container::look_for_earliest(const AVInputFormat* input) {
    {
        const auto io = new_io();
        const auto format = read_header(input, io.get(), AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN);
        const LibavPtr<AVPacket> packet(av_packet_alloc());
        std::vector<bool> seen;
        std::optional<double> earliest;
        const auto is_one = [](const AVFormatContext& it) {
            return it.nb_streams < 2 && (it.ctx_flags & AVFMTCTX_NOHEADER) == 0;
        };
        for (int i = 0;
             format && !is_one(**format) && i < kEarlyPackets && av_read_frame(format->get(), packet.get()) >= 0; ++i) {
            const auto index = static_cast<std::size_t>(packet->stream_index);
            if (const auto seconds = time_of(**format, *packet))
                earliest = std::min(earliest.value_or(*seconds), *seconds);
            seen.resize(std::max<std::size_t>(seen.size(), (*format)->nb_streams));
            seen[index] = true;
            av_packet_unref(packet.get());
            if (seen.size() > 1 && std::ranges::all_of(seen, std::identity{})) break;
        }
        if (seen.size() > 1) earliest_ = earliest;
        if (earliest_ && std::string_view(input->name) == "mpegts") look_for_latest(format->get(), packet.get());
    }
    opening_ = nullptr;
    recent_.clear();
    stream_->seek(0);
}

/// By the packets of the last bytes, as players do.
void Container::look_for_latest(AVFormatContext* format, AVPacket* packet) {
    constexpr std::int64_t kLastBytes = 256 << 10;
    avformat_flush(format);
    if (avio_seek(format->pb, std::max<std::int64_t>(0, stream_->size() - kLastBytes), SEEK_SET) < 0) return;
    for (int i = 0; i < kLatePackets && av_read_frame(format, packet) >= 0; ++i) {
        if (const auto seconds = time_of(*format, *packet)) latest_ = std::max(latest_.value_or(*seconds), *seconds);
        av_packet_unref(packet);
    }
}

Result<void> Container::choose_track(const std::string& wanted, std::size_t place) {
    // The best first: the language that is wanted, what the file says is its default, what is no commentary.
    using Rank = std::tuple<bool, bool, bool, int>;
    std::vector<std::pair<Rank, AVStream*>> tracks;
    bool any = false;
    for (auto* stream : std::span(format_->streams, format_->nb_streams)) {
        const auto& parameters = *stream->codecpar;
        if (parameters.codec_type != AVMEDIA_TYPE_AUDIO) continue;
        if (parameters.ch_layout.nb_channels == 0 || parameters.sample_rate == 0) continue;
        any = true;
        const auto* codec = avcodec_find_decoder(parameters.codec_id);
        if (codec == nullptr || !formats_.takes(*codec)) continue;
        const auto* language = av_dict_get(stream->metadata, "language", nullptr, 0);
        const bool fits = language != nullptr && is_track_language(language->value, wanted);
        constexpr int kAside =
            AV_DISPOSITION_COMMENT | AV_DISPOSITION_VISUAL_IMPAIRED | AV_DISPOSITION_HEARING_IMPAIRED;
        tracks.emplace_back(Rank{!fits, (stream->disposition & AV_DISPOSITION_DEFAULT) == 0,
                                 (stream->disposition & kAside) != 0, stream->index},
                            stream);
    }
    playable_ = tracks.size();
    if (tracks.empty() && any) {
        const int best = av_find_best_stream(format_.get(), AVMEDIA_TYPE_AUDIO, -1, -1, nullptr, 0);
        if (best < 0) return undecodable("there is no decoder for its audio codec");
        return undecodable(
            std::format("its codec ({}) is not taken", avcodec_get_name(format_->streams[best]->codecpar->codec_id)));
    }
    if (tracks.empty()) return no_track();
    std::ranges::sort(tracks);
    track_ = tracks[std::min(place, tracks.size() - 1)].second;
    codec_ = avcodec_find_decoder(track_->codecpar->codec_id);
    for (auto* stream : std::span(format_->streams, format_->nb_streams)) {
        if (stream != track_) stream->discard = AVDISCARD_ALL;
    }
    return {};
}

AudioTrack Container::described() const {
    AudioTrack told{.number = 0, .of = 0, .channels = track_->codecpar->ch_layout.nb_channels};
    for (const auto* stream : std::span(format_->streams, format_->nb_streams)) {
        if (stream->codecpar->codec_type != AVMEDIA_TYPE_AUDIO) continue;
        ++told.of;
        if (stream == track_) told.number = told.of;
    }
    const auto* language = av_dict_get(track_->metadata, "language", nullptr, 0);
    if (language != nullptr && std::string_view(language->value) != "und") told.language = language->value;
    return told;
}

std::unexpected<Error> Container::no_track() const {
    const std::span streams(format_->streams, format_->nb_streams);
    const bool any = std::ranges::any_of(
        streams, [](const AVStream* stream) { return stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO; });
    if (any) return undecodable("its audio track has no channels or no sample rate: a header without audio behind it?");
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

bool Container::may_go_on() {
    unchecked_ = 0;
    return budget_.check().has_value();
}

int Container::read(std::span<std::uint8_t> out) {
    if (budget_.exceeded() || (unchecked_ > kUncheckedBytes && !may_go_on())) return AVERROR_EXIT;
    index_too_big_ = index_too_big_ || index_bytes() > kMostIndexBytes;
    if (index_too_big_) return AVERROR(ENOMEM);
    const auto count = stream_->read(out.first(std::min(out.size(), kPieceBytes)));
    reading_failed_ = reading_failed_ || count < 0;
    if (count < 0) return AVERROR(EIO);
    unchecked_ += static_cast<std::size_t>(count) + kPieceBytes / 4;
    budget_.read(static_cast<std::size_t>(count));
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
    auto& self = *static_cast<Container*>(container);
    self.unchecked_ += kPieceBytes;  // a seek is work, too
    if (self.budget_.exceeded() || (self.unchecked_ > kUncheckedBytes && !self.may_go_on())) return AVERROR_EXIT;
    auto& stream = *self.stream_;
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
