/// Everything that can be configured, with its default. One struct per section of hotmic.toml; schema.cpp names the key
/// of each field (durations are keys in whole milliseconds that end in _ms).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "hotmic/model_manager.hpp"

namespace hotmic::config {

using std::chrono::milliseconds;

/// [server]
struct Server {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8090;            ///< 0: any free port, printed at start
    std::vector<std::string> api_keys{};  ///< empty: open to whoever reaches the port
    std::string admin_key{};              ///< of /admin; empty: admin requests are taken from loopback only
    std::uint64_t max_body_bytes = 100ull << 20;
    double max_audio_seconds = 4 * 3600;
    std::uint32_t max_connections = 1000;
    std::uint32_t max_streams = 64;             ///< live streams open at once
    std::uint32_t max_requests_per_client = 0;  ///< under way at once, of one address; 0: no limit
    std::uint32_t max_streams_per_client = 0;   ///< open at once, of one address; 0: no limit
    std::filesystem::path vad_model{};          ///< of libwhisper; empty: the detector that needs none
    std::uint16_t wyoming_port = 0;             ///< of the Wyoming protocol; 0: not served
    int io_threads = 2;
    int decode_threads = 2;
    milliseconds idle_timeout{60'000};  ///< of a connection that says nothing
    milliseconds drain_delay{0};        ///< after SIGTERM: not ready, but still serving, so that load balancers notice
    milliseconds shutdown_timeout{30'000};
};

/// [log]
struct Log {
    std::string level = "info";   ///< trace, debug, info, warn, error
    std::string format = "text";  ///< text or json
};

/// [models.NAME]
struct Model {
    std::string provider = "auto";
    std::filesystem::path path{};  ///< empty: found in models_dir, or the provider's own
    std::string sha256{};
    std::vector<std::string> aliases{"whisper-1"};  ///< further names clients may use
    int slots = 0;
    int threads = 0;
    std::string backend = "auto";
    bool flash_attention = true;
    int max_best_of = 5;
    int max_beam_size = 5;
    bool isolate = true;                  ///< run the engine in a worker process
    bool required = true;                 ///< the server is ready only while this model, or a fallback of it, is READY
    std::string load = "start";           ///< start: when the server starts; demand: when it is first asked for
    std::vector<std::string> fallback{};  ///< names of models that serve while this one cannot, in this order
    std::string swap = "auto";            ///< strategy when the section changes: auto, beside, replace
    LifecycleOptions lifecycle{};         ///< load_timeout, stall_timeout, …, and [models.NAME.warmup|retry|supervise]
};

struct Config {
    std::filesystem::path models_dir{};  ///< empty: $XDG_DATA_HOME/hotmic/models
    Server server{};
    Log log{};
    std::string default_model{};  ///< that serves a request which names none; empty: "default", or the only one
    int parallel_loads = 1;       ///< models loading or warming up at once
    std::map<std::string, Model> models{};  ///< {"default": Model{}} when none is named
};

}  // namespace hotmic::config
