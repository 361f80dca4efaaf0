/// Owners for libav's objects, and its log lines in ours.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

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

/// Sends libav's log to ours at debug level. Idempotent, thread-safe.
void capture_libav_log();

}  // namespace hotmic::audio
