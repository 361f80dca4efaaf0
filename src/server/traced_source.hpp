/// The span of decoding a recording, which goes on while it is recognized.
#pragma once

#include <memory>

#include "hotmic/audio.hpp"
#include "tracing/span.hpp"

namespace hotmic::server {

/// `source`, and `span` over it: the span ends with the last sample, an error, or when the source is let go; it tells
/// how many seconds of audio there were, and how long was waited for them in all. Without a span: `source` itself.
[[nodiscard]] std::unique_ptr<AudioSource> traced(std::unique_ptr<AudioSource> source, tracing::Span span);

}  // namespace hotmic::server
