/// Everything that can be configured, with its default. One struct per section of hotmic.toml; schema.cpp names the key
/// of each field (durations are keys in whole milliseconds that end in _ms).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hotmic/lifecycle_options.hpp"
#include "store/catalogue.hpp"

namespace hotmic::config {

using std::chrono::milliseconds;

/// [server]
struct Server {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8090;                ///< 0: any free port, printed at start
    std::vector<std::string> api_keys{};      ///< empty: open to whoever reaches the port
    std::string admin_key{};                  ///< of /admin; empty: admin requests are taken from loopback only
    std::filesystem::path keys_file{};        ///< see config/keys_file.hpp; empty: none
    std::filesystem::path tls_certificate{};  ///< PEM; empty: no TLS
    std::filesystem::path tls_key{};          ///< PEM
    std::filesystem::path tls_client_ca{};    ///< PEM; empty: clients need no certificate
    std::string admin_listen{};               ///< HOST:PORT or unix:PATH of /admin; empty: it is on the port of all
    std::vector<std::string> hosts{};         ///< names that requests may be for; empty: any, but see server/origin.hpp
    std::vector<std::string> cors_origins{};  ///< whose pages may ask from a browser, besides our own
    std::uint64_t max_body_bytes = 100ull << 20;
    std::uint64_t max_buffered_bytes = 1ull << 30;  ///< held for all clients together
    std::filesystem::path upload_dir{};             ///< of large uploads; empty: see server/upload.hpp
    std::uint64_t max_spooled_bytes = 8ull << 30;   ///< there, of all clients together
    double max_audio_seconds = 4 * 3600;
    double decode_cpu_seconds = 10;
    std::uint32_t max_connections = 1000;
    std::uint32_t max_connections_per_client = 0;  ///< of one address; 0: no limit
    std::uint32_t max_streams = 64;                ///< live streams open at once
    std::uint32_t max_requests_per_client = 0;     ///< under way at once, of one address; 0: no limit
    std::uint32_t max_streams_per_client = 0;      ///< open at once, of one address; 0: no limit
    std::filesystem::path vad_model{};             ///< of libwhisper; empty: the detector that needs none
    milliseconds blank_after_words{1'200};         ///< see Endpointing
    milliseconds blank_without_words{2'400};
    std::string channels = "mix";    ///< of a file, unless the request says: mix, separate
    int max_line_width = 42;         ///< columns of a cue's line; 0: cues are as long as their segments
    int max_line_count = 2;          ///< lines of a cue
    std::uint16_t wyoming_port = 0;  ///< of the Wyoming protocol; 0: not served
    int io_threads = 2;
    int decode_threads = 2;
    milliseconds header_timeout{10'000};  ///< of a request's head
    milliseconds body_timeout{30'000};    ///< within each of which a body comes at 1 KiB/s
    milliseconds idle_timeout{60'000};    ///< of a connection that says nothing and is owed nothing
    milliseconds drain_delay{0};  ///< after SIGTERM: not ready, but still serving, so that load balancers notice
    milliseconds shutdown_timeout{30'000};
};

/// [audio]
struct Audio {
    std::vector<std::string> containers{};  ///< see MediaFormats
    std::vector<std::string> codecs{};
    std::uint64_t decoder_memory_bytes = 512ull << 20;  ///< of one decoder process
    milliseconds decoder_timeout{60'000};               ///< that it may be silent for while it is waited for
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
    std::string quantize = "int8";
    bool flash_attention = true;
    int max_best_of = 5;
    int max_beam_size = 5;
    std::string text_case = "model";
    std::vector<std::string> hotwords{};  ///< "phrase" or "phrase:boost"; checked, they are lifecycle.hotwords
    bool isolate = true;                  ///< run the engine in a worker process
    bool required = true;                 ///< the server is ready only while this model, or a fallback of it, is READY
    std::string load = "start";           ///< start: when the server starts; demand: when it is first asked for
    std::vector<std::string> fallback{};  ///< names of models that serve while this one cannot, in this order
    std::string swap = "auto";            ///< strategy when the section changes: auto, beside, replace
    LifecycleOptions lifecycle{};         ///< load_timeout, stall_timeout, …, and [models.NAME.warmup|retry|supervise]
};

/// [traces]
struct Traces {
    std::string endpoint{};   ///< URL of a collector; empty: see tracing::Settings
    double sample_ratio = 1;  ///< of traces that begin here
};

/// [download]
struct Download {
    std::vector<std::string> mirrors{};     ///< addresses of model hubs, tried before the usual one
    std::uint64_t max_bytes = 16ull << 30;  ///< of one file
    milliseconds timeout{6 * 3600 * 1000};  ///< of one model
    milliseconds stall_timeout{30'000};     ///< a source that sends hardly anything is given up
};

/// [jobs]
struct Jobs {
    std::filesystem::path dir{};               ///< empty: there are none
    std::uint32_t max_jobs = 1000;             ///< kept, ended ones included
    std::uint64_t max_bytes = 10ull << 30;     ///< of recordings and results
    milliseconds keep{7 * 24 * 3600 * 1000};   ///< after a job has ended
    int parallel = 1;                          ///< running at once
    std::vector<std::string> url_hosts{};      ///< that recordings are fetched from
    std::vector<std::string> webhook_hosts{};  ///< that are told when a job has ended
    std::string webhook_secret{};              ///< "whsec_…"
    milliseconds webhook_timeout{10'000};
    milliseconds webhook_retry{5'000};  ///< the first wait
};

struct Config {
    std::filesystem::path models_dir{};             ///< empty: $XDG_DATA_HOME/hotmic/models
    std::filesystem::path catalogue{};              ///< of further models; empty: none
    bool offline = false;                           ///< nothing is downloaded
    std::string sandbox = "try";                    ///< of processes that read what strangers made: require, try, off
    std::vector<std::string> worker_paths{};        ///< that workers may read, besides what they need
    std::vector<std::string> worker_environment{};  ///< variables that workers are given; "NAME", or "PREFIX*"
    Download download{};
    Server server{};
    Audio audio{};
    Log log{};
    Traces traces{};
    Jobs jobs{};
    std::string default_model{};  ///< that serves a request which names none; empty: "default", or the only one
    int parallel_loads = 1;       ///< models loading or warming up at once
    std::map<std::string, Model> models{};  ///< {"default": Model{}} when none is named

    /// The models that can be got by name: the program's own, and those of `catalogue`. Set by `load`.
    std::shared_ptr<const store::Catalogue> known_models{};
};

}  // namespace hotmic::config
