/// The process that decoders are forked from, and the decoders themselves.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"

namespace hotmic::worker {

/// Decodes one file. Called in a process that can do nothing else any more.
using OpenMedia = std::function<Result<std::unique_ptr<AudioSource>>(std::shared_ptr<const MediaBytes>,
                                                                     const DecodeLimits&, const TrackChoice&)>;

/// Serves the control channel at descriptor 3 until it closes. It never sees a byte of media: for each file it forks a
/// decoder, which takes a millisecond, for everything is loaded. Each decoder has its channel and its file open and
/// nothing else, limits on memory and processor time, and gives up all other files, networks and system calls before it
/// reads the first byte; it ends with its file. Its children outlive it, and decode on.
///
/// Returns when the server is gone.
int decoder_main(const OpenMedia& open = [](std::shared_ptr<const MediaBytes> media, const DecodeLimits& limits,
                                            const TrackChoice& choice) {
    return open_media(std::move(media), limits, choice);
});

}  // namespace hotmic::worker
