/// How the warmup takes models by the way that live streams take.
#pragma once

#include <stop_token>
#include <vector>

#include "audio/clip.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic {

/// The clip as a live stream feeds it, but without waiting for somebody to speak it. Gives what each step
/// took. Errors: those of the lease.
[[nodiscard]] Result<std::vector<Seconds>> stream_clip(const Lease& lease, const audio::Clip& clip, int slot,
                                                       const std::stop_token& stop);

/// One stream on a model that has nothing else to do; its first step pays for what is made on first use. `took`: each
/// step. `step`: of audio.
[[nodiscard]] StreamReport report_of_one(std::vector<Seconds> took, Seconds step);

/// As many streams at once as there are slots: more steps, and whether they keep up with who speaks.
void add_steps(StreamReport& report, const std::vector<Seconds>& took);

}  // namespace hotmic
