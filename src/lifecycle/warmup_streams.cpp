#include "lifecycle/warmup_streams.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <stop_token>
#include <utility>
#include <vector>

#include "audio/clip.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"
#include "lifecycle/warmup_runner.hpp"

namespace hotmic {

Result<std::vector<Seconds>> stream_clip(const Lease& lease, const audio::Clip& clip, int slot,
                                         const std::stop_token& stop) {
    std::vector<Seconds> took;
    const auto audio = audio::clip_of_length(clip.length, clip);
    if (!audio) return std::unexpected(audio.error());
    const auto step = samples_in(lease.model().step);
    const auto number = ~std::uint64_t{0} - static_cast<std::uint64_t>(slot);
    std::size_t wanted = 0;
    for (std::size_t from = 0; from < audio->size();) {
        const auto to = std::min(audio->size(), std::max(from + step, wanted));
        const auto piece = AudioView(*audio).subspan(from, to - from);
        const auto began = Clock::now();
        auto heard = lease.transcribe(
            {.audio = source_from_samples({piece.begin(), piece.end()}),
             .options = {.word_timestamps = true,
                         .step = {.stream = number, .from = Samples(from), .last = to == audio->size()}},
             .stop = stop,
             .id = "warmup",
             .slot = slot});
        if (!heard) return std::unexpected(std::move(heard).error());
        took.emplace_back(Clock::now() - began);
        wanted = samples_in(heard->next_step_at);
        from = to;
    }
    return took;
}

StreamReport report_of_one(std::vector<Seconds> took, Seconds step) {
    StreamReport report{.step = step, .first = took.front()};
    took.erase(took.begin());
    report.steady = quantile(took, 0.5);
    add_steps(report, took);
    return report;
}

void add_steps(StreamReport& report, const std::vector<Seconds>& took) {
    report.steps += static_cast<int>(took.size());
    report.p95 = quantile(took, 0.95);
    report.shortfall = report.p95 < report.step
                           ? std::string{}
                           : std::format(
                                 "a step of a stream takes {:.0f} ms (p95) and hears {:.0f} ms: streams "
                                 "fall behind who speaks",
                                 to_ms(report.p95), to_ms(report.step));
}

}  // namespace hotmic
