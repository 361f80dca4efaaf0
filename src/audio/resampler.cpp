#include "audio/resampler.hpp"

#include <cstddef>
#include <cstdint>
#include <format>
#include <span>
#include <vector>

#include "audio/container.hpp"
#include "audio/libav.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic::audio {
namespace {

/// Rates outside are no recording of speech, and would make the resampler's tables or output enormous.
constexpr int kLowestFrameRate = 1000;
constexpr int kHighestFrameRate = 768'000;

/// Where nobody says which channel is where (as for the many microphones of one room), all count the same.
int mix_evenly(SwrContext* context, int channels) {
    const std::vector<double> shares(static_cast<std::size_t>(channels), 1.0 / channels);
    return swr_set_matrix(context, shares.data(), channels);
}

}  // namespace

Result<void> Resampler::add(const AVFrame& frame, std::vector<float>& out) {
    if (!fits(frame)) {
        if (auto flushed = flush(out); !flushed) return flushed;  // what the old one keeps comes first
        if (auto ready = set_up(frame); !ready) return ready;
    }
    return convert(&frame, out);
}

Result<void> Resampler::flush(std::vector<float>& out) {
    if (!context_) return {};
    auto flushed = convert(nullptr, out);
    context_.reset();  // libav's resampler is of no use after its end
    return flushed;
}

bool Resampler::fits(const AVFrame& frame) const {
    return context_ && frame.sample_rate == rate_ && frame.format == format_ &&
           frame.ch_layout.nb_channels == channels_;
}

Result<void> Resampler::set_up(const AVFrame& frame) {
    if (frame.sample_rate < kLowestFrameRate || frame.sample_rate > kHighestFrameRate) {
        return undecodable(std::format("a sample rate of {} Hz (from {} to {} can be)", frame.sample_rate,
                                       kLowestFrameRate, kHighestFrameRate));
    }
    const int channels = frame.ch_layout.nb_channels;
    if (channel_ && *channel_ >= channels) {
        return fail(ErrorCode::invalid_request,
                    std::format("the audio has {} channels, and no number {}", channels, *channel_ + 1),
                    "leave channels out", "channels");
    }
    // One of them, or two to look at, are wanted apart; more than two are mixed by what each is for.
    const bool apart = channel_ || channels == 2;
    AVChannelLayout layout{};
    if (frame.ch_layout.order == AV_CHANNEL_ORDER_UNSPEC) {
        av_channel_layout_default(&layout, channels);
    } else {
        av_channel_layout_copy(&layout, &frame.ch_layout);
    }
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    SwrContext* made = nullptr;
    int code = swr_alloc_set_opts2(&made, apart ? &layout : &mono, AV_SAMPLE_FMT_FLTP, kSampleRate, &layout,
                                   static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0, nullptr);
    context_.reset(made);
    const bool unknown = layout.order == AV_CHANNEL_ORDER_UNSPEC;
    if (code >= 0 && unknown && !apart) code = mix_evenly(made, layout.nb_channels);
    av_channel_layout_uninit(&layout);
    if (code >= 0) code = swr_init(context_.get());
    if (code < 0) {
        context_.reset();
        return undecodable(std::format("{} channels at {} Hz cannot be converted ({})", channels, frame.sample_rate,
                                       libav_error(code)));
    }
    planes_.resize(apart ? static_cast<std::size_t>(channels) : 1);
    rate_ = frame.sample_rate;
    format_ = frame.format;
    channels_ = channels;
    return {};
}

Result<void> Resampler::convert(const AVFrame* frame, std::vector<float>& out) {
    const int in_count = frame != nullptr ? frame->nb_samples : 0;
    const int capacity = swr_get_out_samples(context_.get(), in_count);
    if (capacity < 0) return undecodable(libav_error(capacity));
    std::vector<std::uint8_t*> to;
    for (auto& plane : planes_) {
        plane.resize(static_cast<std::size_t>(capacity));
        to.push_back(reinterpret_cast<std::uint8_t*>(plane.data()));
    }
    auto** from = frame != nullptr ? const_cast<const std::uint8_t**>(frame->extended_data) : nullptr;
    const int count = swr_convert(context_.get(), to.data(), capacity, from, in_count);
    if (count < 0) return undecodable(libav_error(count));
    const auto made = [&](std::size_t plane) {
        return std::span<const float>(planes_[plane]).first(static_cast<std::size_t>(count));
    };
    if (!channel_ && planes_.size() == 2) {
        mix_.add(made(0), made(1), out);
    } else {
        const auto one = made(channel_ ? static_cast<std::size_t>(*channel_) : 0);
        out.insert(out.end(), one.begin(), one.end());
    }
    return {};
}

}  // namespace hotmic::audio
