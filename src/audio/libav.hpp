/// Owners for libav's objects, its settings for the whole process, and its log lines in ours.
#pragma once

extern "C" {
// IWYU pragma: begin_exports
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avstring.h>
#include <libavutil/channel_layout.h>
#include <libavutil/frame.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libavutil/rational.h>
#include <libswresample/swresample.h>
// IWYU pragma: end_exports
}

#include <cstddef>
#include <memory>
#include <string>

namespace hotmic::audio {

struct LibavDeleter {
    void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
    void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
    void operator()(SwrContext* context) const { swr_free(&context); }
    void operator()(AVPacket* packet) const { av_packet_free(&packet); }
    void operator()(AVFrame* frame) const { av_frame_free(&frame); }
    void operator()(AVIOContext* io) const {
        av_freep(&io->buffer);  // libav may have replaced the buffer it was given
        avio_context_free(&io);
    }
};

template <class T>
using LibavPtr = std::unique_ptr<T, LibavDeleter>;

/// libav's words for one of its error codes.
[[nodiscard]] std::string libav_error(int code);

/// No block that libav allocates is larger. Recordings need far less: the largest packets and cover pictures have some
/// MiB, and an index of 64 MiB covers 16 hours. A longer table ends as an error of the demuxer that asked for it.
inline constexpr std::size_t kMostBlockBytes = 64 << 20;

/// Bounds libav's allocations and sends its log to ours at debug level. libav keeps both settings for the whole
/// process, so they are made once, before anything is decoded. Idempotent, thread-safe.
void prepare_libav();

}  // namespace hotmic::audio
