/// The Wyoming protocol, by which Home Assistant speaks to speech services. https://github.com/OHF-Voice/wyoming
///
///   describe → info
///   transcribe · audio-start · audio-chunk … · audio-stop → transcript-start · transcript-chunk … · transcript ·
///   transcript-stop ping → pong
///
/// A port of its own, without keys: the protocol knows none.
#pragma once

#include "server/context.hpp"
#include "server/http/stream.hpp"

namespace hotmic::server {

/// What makes sessions of connections. `context` must outlive them.
[[nodiscard]] http::OpenStream wyoming(Context& context);

}  // namespace hotmic::server
