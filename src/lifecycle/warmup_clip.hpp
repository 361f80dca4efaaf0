/// The speech that a model proves itself on: at warmup, and as a canary.
#pragma once

#include "audio/clip.hpp"
#include "hotmic/error.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic {

/// The configured clip, or the built-in one. Errors: warmup_failed, when the configured one cannot be read.
[[nodiscard]] inline Result<audio::Clip> warmup_clip(const WarmupOptions& options) {
    if (options.clip.empty()) return audio::builtin_clip();
    auto clip = audio::load_clip(options.clip, options.clip_text);
    if (clip) return clip;
    return fail(ErrorCode::warmup_failed, "the warmup clip cannot be used: " + clip.error().message,
                "set warmup.clip to a recording of speech, at most a minute");
}

}  // namespace hotmic
