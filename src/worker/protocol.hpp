/// What a server and its worker process say to each other. Both are the same build, and refuse each other when they are
/// not.
///
/// Two kinds of channel, both local socket pairs:
///   control  SOCK_SEQPACKET, one per worker. Small messages, each whole. Loads, opens slots, cancels, pings; progress,
///            outcomes and pongs come back. Or: asks what a file is, and is told. The worker ends itself when this
///            closes, so a server that dies leaves no orphan.
///   slot     SOCK_STREAM, one per recognizer, passed over the control channel. Plain request and response; audio
///   follows a
///            request as raw native floats, for it is the only big thing.
/// A decoder has a channel of its own, SOCK_SEQPACKET like control: its request and its media go in, samples come back.
/// The worker's standard error is read line by line as its log.
///
/// Encoding: an 8-byte header {kind, size}, then `size` bytes: BEVE of the struct of that kind, or raw floats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "system/sandbox.hpp"
#include "worker/confinement.hpp"

namespace hotmic::worker {

inline constexpr const char* kBuild = "hotmic-worker 6 " HOTMIC_VERSION;

enum class Kind : std::uint32_t {
    // control, to the worker
    load = 1,
    open_slot,
    cancel,
    ping,     ///< answered by `pong` at once, whatever the engine does
    examine,  ///< a `Load`; answered by `examined`, and nothing is loaded
    // control, from the worker
    pong,
    progress,
    loaded,
    examined,
    // slot, to the worker
    transcribe,  ///< followed by `audio`
    audio,       ///< raw floats
    // slot, from the worker
    slot_ready,
    segment,
    transcript,
    // both
    failed,
    // control, to the process that decoders are forked from
    prepare,  ///< once, before anything else; answered by `prepared` or `failed`
    decode,   ///< with the decoder's end of its channel
    // control, from it
    prepared,
    decoder_ended,
    // channel, to a decoder
    media,  ///< with the file; nothing else is ever sent
    // channel, from a decoder: one `begun`, then `opened` or `failed`, then `audio` up to `ended` or `failed`
    begun,  ///< with a pidfd of the decoder
    opened,
    remark,  ///< for the log; may come at any time
    lost,    ///< what has been lost so far, in words
    ended,
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
/// Most bytes of each text in an error that a worker tells.
inline constexpr std::size_t kMostWords = 4u << 10;
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
    std::string quantize{};
    std::string text_case{};
    bool flash_attention = true;
    int max_best_of = 0;
    int max_beam_size = 0;
    std::string sandbox = "try";          ///< see system::Sandbox
    std::vector<std::string> readable{};  ///< besides the model
};

[[nodiscard]] inline Load load_of(const ModelSpec& spec, std::string instance, const Confinement& confinement) {
    return {.provider = spec.provider,
            .path = spec.path.string(),
            .sha256 = spec.sha256,
            .backend = spec.backend,
            .instance = std::move(instance),
            .slots = spec.slots,
            .threads = spec.threads,
            .quantize = spec.quantize,
            .text_case = spec.text_case,
            .flash_attention = spec.flash_attention,
            .max_best_of = spec.max_best_of,
            .max_beam_size = spec.max_beam_size,
            .sandbox = std::string(system::to_string(confinement.mode)),
            .readable = {confinement.readable.begin(), confinement.readable.end()}};
}

/// What `Provider::inspect` and `Provider::estimate` say; of each pair one.
struct Examined {
    std::optional<ModelFileInfo> info{};
    std::optional<Error> why_not{};
    std::optional<ResourceEstimate> estimate{};
    std::optional<Error> why_no_estimate{};
};

struct OpenSlot {
    int slot = 0;
};

struct Cancel {
    int slot = 0;
    std::uint64_t request = 0;
};

struct Progress {
    Bytes done{};
    Bytes total{};
};

struct Transcribe {
    std::uint64_t request = 0;
    TranscribeOptions options;
    bool want_segments = false;
};

/// What the process that decoders are forked from, and so all of them, are told once.
struct Prepare {
    std::string build = kBuild;
    std::string sandbox = "try";  ///< see system::Sandbox
    Bytes memory{};               ///< of one decoder
};

struct Prepared {
    std::string lacking{};  ///< what could not be given up, in words
};

/// One file to decode.
struct Decode {
    std::uint64_t number = 0;
    Seconds max_length{};  ///< see DecodeLimits
    Seconds cpu_time{};
    std::vector<std::string> containers{};
    std::vector<std::string> codecs{};
    std::string language{};
    std::optional<int> channel{};
    std::uint64_t skip = 0;  ///< samples that an earlier decoder has delivered
};

/// A decoder as its parent saw it end.
struct DecoderEnded {
    std::uint64_t number = 0;
    int code = 0;    ///< CLD_EXITED, CLD_KILLED, CLD_DUMPED
    int status = 0;  ///< exit code or signal
};

struct Opened {
    std::optional<Seconds> duration{};
    std::optional<AudioTrack> track{};
};

struct Remark {
    int level = 0;  ///< spdlog's
    std::string text{};
};

struct Lost {
    std::string what{};
};

struct Empty {
    std::uint8_t nothing = 0;
};

}  // namespace hotmic::worker
