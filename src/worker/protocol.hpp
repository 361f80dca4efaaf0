/// What a server and its worker process say to each other. Both are the same build, and refuse each other when they are
/// not.
///
/// Two kinds of channel, both local socket pairs:
///   control  SOCK_SEQPACKET, one per worker. Small messages, each whole. Loads, opens slots, cancels, pings; progress,
///            outcomes and pongs come back. The worker ends itself when this closes, so a server that dies leaves no
///            orphan.
///   slot     SOCK_STREAM, one per recognizer, passed over the control channel. Plain request and response; audio
///   follows a
///            request as raw native floats, for it is the only big thing.
/// The worker's standard error is read line by line as its log.
///
/// Encoding: an 8-byte header {kind, size}, then `size` bytes: BEVE of the struct of that kind, or raw floats.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hotmic/provider.hpp"

namespace hotmic::worker {

inline constexpr const char* kBuild = "hotmic-worker 3 " HOTMIC_VERSION;

enum class Kind : std::uint32_t {
    // control, to the worker
    load = 1,
    open_slot,
    cancel,
    ping,  ///< answered by `pong` at once, whatever the engine does
    // control, from the worker
    pong,
    progress,
    loaded,
    // slot, to the worker
    transcribe,  ///< followed by `audio`
    audio,       ///< raw floats
    // slot, from the worker
    slot_ready,
    segment,
    transcript,
    // both
    failed,
};

struct FrameHeader {
    Kind kind{};
    std::uint32_t size = 0;
};
static_assert(sizeof(FrameHeader) == 8);

/// Largest frame: an hour of audio. More than that is a defect or an attack.
inline constexpr std::uint32_t kMaxFrame = 3600u * kSampleRate * sizeof(float);
/// Largest frame of a worker's answer: hours of segments with words. A worker parses files that nobody vouches for, so
/// the server takes no more than this on its word.
inline constexpr std::uint32_t kMaxAnswer = 16u << 20;
/// Largest control message.
inline constexpr std::uint32_t kMaxControl = 64u << 10;
/// Most slots a model can say it has; each is a thread on either side.
inline constexpr int kMaxSlots = 4096;

struct Load {
    std::string build = kBuild;
    std::string provider;
    std::string path;
    std::string sha256;
    std::string backend;
    std::string instance;
    int slots = 0;
    int threads = 0;
    bool flash_attention = true;
    int max_best_of = 0;
    int max_beam_size = 0;
};

struct OpenSlot {
    int slot = 0;
};

struct Cancel {
    int slot = 0;
    std::uint64_t request = 0;
};

struct Progress {
    std::uint64_t done_bytes = 0;
    std::uint64_t total_bytes = 0;
};

struct Transcribe {
    std::uint64_t request = 0;
    TranscribeOptions options;
    bool want_segments = false;
};

struct Empty {
    std::uint8_t nothing = 0;
};

}  // namespace hotmic::worker
