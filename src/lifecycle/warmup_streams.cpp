#include "lifecycle/warmup_streams.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <ratio>
#include <stop_token>
#include <utility>
#include <vector>

#include "audio/clip.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/state.hpp"
#include "hotmic/warmup.hpp"
#include "lifecycle/warmup_runner.hpp"

namespace hotmic {

Result<std::vector<double>> stream_clip(const Lease& lease, const audio::Clip& clip, int slot,
                                        const std::stop_token& stop) {
    std::vector<double> ms;
    const auto audio = audio::clip_of_length(clip.seconds, clip);
    if (!audio) return std::unexpected(audio.error());
    const auto step = static_cast<std::size_t>(lease.model().step_seconds * kSampleRate);
    const auto number = ~std::uint64_t{0} - static_cast<std::uint64_t>(slot);
    std::uint64_t wanted = 0;
    for (std::size_t from = 0; from < audio->size();) {
        const auto to = std::min(audio->size(), std::max<std::size_t>(from + step, wanted));
        const auto piece = AudioView(*audio).subspan(from, to - from);
        const auto began = Clock::now();
        auto heard =
            lease.transcribe({.audio = source_from_samples({piece.begin(), piece.end()}),
                              .options = {.word_timestamps = true,
                                          .step = {.stream = number, .from = from, .last = to == audio->size()}},
                              .stop = stop,
                              .id = "warmup",
                              .slot = slot});
        if (!heard) return std::unexpected(std::move(heard).error());
        ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
        wanted = heard->next_step_at;
        from = to;
    }
    return ms;
}

StreamReport report_of_one(std::vector<double> ms, double step_seconds) {
    StreamReport report{.step_seconds = step_seconds, .first_ms = ms.front()};
    ms.erase(ms.begin());
    report.steady_ms = quantile(ms, 0.5);
    add_steps(report, ms);
    return report;
}

void add_steps(StreamReport& report, const std::vector<double>& ms) {
    report.steps += static_cast<int>(ms.size());
    report.p95_ms = quantile(ms, 0.95);
    const double heard_ms = report.step_seconds * 1000;
    report.shortfall = report.p95_ms < heard_ms
                           ? std::string{}
                           : std::format(
                                 "a step of a stream takes {:.0f} ms (p95) and hears {:.0f} ms: streams "
                                 "fall behind who speaks",
                                 report.p95_ms, heard_ms);
}

}  // namespace hotmic
