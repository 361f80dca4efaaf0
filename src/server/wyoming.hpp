/// The Wyoming protocol, by which Home Assistant speaks to speech services. https://github.com/OHF-Voice/wyoming
///
///   describe → info
///   transcribe · audio-start · audio-chunk … · audio-stop → transcript-start · transcript-chunk … · transcript ·
///   transcript-stop ping → pong
///
/// A port of its own, without keys: the protocol knows none.
#pragma once

#include <memory>
#include <string>

#include "server/context.hpp"

namespace hotmic::server {

class Wyoming {
public:
    /// `context` must outlive this.
    explicit Wyoming(Context& context);
    /// On the loop that `start` was called on.
    ~Wyoming();
    Wyoming(const Wyoming&) = delete;
    Wyoming& operator=(const Wyoming&) = delete;

    /// Call once the HTTP library's loops run, on its main loop. `address`: numeric.
    void start(const std::string& address, std::uint16_t port);
    /// Ends the connections. Call on the main loop.
    void stop();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic::server
