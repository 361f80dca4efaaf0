#include "audio/resampler.hpp"

#include <format>
#include <utility>

#include "audio/container.hpp"
#include "hotmic/audio.hpp"

namespace hotmic::audio {
namespace {

/// Rates outside are no recording of speech, and would make the resampler's tables or output enormous.
constexpr int kLowestRate = 1000;
constexpr int kHighestRate = 768'000;

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
    if (frame.sample_rate < kLowestRate || frame.sample_rate > kHighestRate) {
        return undecodable(
            std::format("a sample rate of {} Hz (from {} to {} can be)", frame.sample_rate, kLowestRate, kHighestRate));
    }
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    AVChannelLayout layout{};
    if (frame.ch_layout.order == AV_CHANNEL_ORDER_UNSPEC) {
        av_channel_layout_default(&layout, frame.ch_layout.nb_channels);
    } else {
        av_channel_layout_copy(&layout, &frame.ch_layout);
    }
    SwrContext* made = nullptr;
    int code = swr_alloc_set_opts2(&made, &mono, AV_SAMPLE_FMT_FLT, kSampleRate, &layout,
                                   static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0, nullptr);
    context_.reset(made);
    if (code >= 0 && layout.order == AV_CHANNEL_ORDER_UNSPEC) code = mix_evenly(made, layout.nb_channels);
    av_channel_layout_uninit(&layout);
    if (code >= 0) code = swr_init(context_.get());
    if (code < 0) {
        context_.reset();
        return undecodable(std::format("{} channels at {} Hz cannot be converted ({})", frame.ch_layout.nb_channels,
                                       frame.sample_rate, libav_error(code)));
    }
    rate_ = frame.sample_rate;
    format_ = frame.format;
    channels_ = frame.ch_layout.nb_channels;
    return {};
}

Result<void> Resampler::convert(const AVFrame* frame, std::vector<float>& out) {
    const int in_count = frame != nullptr ? frame->nb_samples : 0;
    const int capacity = swr_get_out_samples(context_.get(), in_count);
    if (capacity < 0) return undecodable(libav_error(capacity));
    const auto before = out.size();
    out.resize(before + static_cast<std::size_t>(capacity));
    auto* to = reinterpret_cast<std::uint8_t*>(out.data() + before);
    auto** from = frame != nullptr ? const_cast<const std::uint8_t**>(frame->extended_data) : nullptr;
    const int count = swr_convert(context_.get(), &to, capacity, from, in_count);
    if (count < 0) return undecodable(libav_error(count));
    out.resize(before + static_cast<std::size_t>(count));
    return {};
}

}  // namespace hotmic::audio
