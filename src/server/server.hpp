/// The HTTP server: bound before any model loads, truthful while they load, and gone without losing a request.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/voice.hpp"
#include "jobs/jobs.hpp"
#include "server/catalog.hpp"
#include "server/keys.hpp"
#include "server/planner.hpp"
#include "server/ports.hpp"
#include "server/service_reporter.hpp"
#include "server/upload.hpp"
#include "store/downloads.hpp"
#include "telemetry/metrics.hpp"

namespace hotmic::server {

class Server {
public:
    struct Options {
        config::Config config;
        std::shared_ptr<Keys> keys{};                   ///< who may ask; never null
        std::shared_ptr<const VadModel> vad_model{};    ///< null: the detector that needs none
        std::shared_ptr<Spool> spool{};                 ///< of large uploads; never null
        std::shared_ptr<store::Downloads> downloads{};  ///< those of the process; never null
        std::vector<PassedSocket> sockets{};            ///< that a service manager listens on for us
        ServiceManager service_manager{};
        std::shared_ptr<MediaDecoder> decoder{};  ///< of what clients send; never null
        /// Of `decoder`, for the metrics; empty: there are none.
        std::function<telemetry::Metrics::DecoderGauges()> decoder_gauges{};
        std::shared_ptr<jobs::Jobs> jobs{};  ///< null: none are kept
        /// Called once when requests are being answered, with "http://HOST:PORT", on the loop that
        /// accepts connections. The place to begin to look for models and load them.
        std::function<void(const std::string& url)> on_listening{};
        /// Called once when a signal to end has come, before anything waits for models. Must not block.
        std::function<void()> on_ending{};
    };

    /// Everything must outlive the server. Blocks SIGTERM, SIGINT and SIGHUP in this thread, so that every thread made
    /// later inherits that: construct it before anything starts threads.
    Server(Options options, ModelCatalog& catalog, const Journal& journal, JobBook& jobs, Planner& planner,
           const ProviderRegistry& providers);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Serves until SIGTERM or SIGINT; SIGHUP reads the configuration and the keys again. At the end: not ready at
    /// once; still serving for `drain_delay`; new requests refused, those in flight finished, every model unloaded,
    /// within `shutdown_timeout`. A second signal ends the process without waiting, with exit code 128 + its number.
    /// Returns the exit code: 0, or 1 when `shutdown_timeout` was not enough. Errors: address_in_use, io_error.
    [[nodiscard]] Result<int> run();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic::server
