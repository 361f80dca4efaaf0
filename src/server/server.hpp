/// The HTTP server: bound before any model loads, truthful while they load, and gone without losing a request.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config/config.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/voice.hpp"
#include "server/catalog.hpp"
#include "server/planner.hpp"

namespace hotmic::server {

/// One per process: the HTTP library underneath keeps its application in a global.
class Server {
public:
    struct Options {
        config::Config config;
        std::shared_ptr<const VadModel> vad_model{};  ///< null: the detector that needs none
        /// Called once when requests are being answered, with "http://HOST:PORT". The place to start loading models.
        std::function<void(const std::string& url)> on_listening{};
    };

    /// Everything must outlive the server. Blocks SIGTERM, SIGINT and SIGHUP in this thread, so that every thread made
    /// later inherits that: construct it before anything starts threads.
    Server(Options options, ModelCatalog& catalog, const Journal& journal, JobBook& jobs, Planner& planner,
           const ProviderRegistry& providers);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Serves until SIGTERM or SIGINT; SIGHUP reads the configuration again. At the end: not ready at once; still
    /// serving for `drain_delay`; new requests refused, those in flight finished, every model unloaded, within
    /// `shutdown_timeout`. A second signal ends the process without waiting, with exit code 128 + its number. Returns
    /// the exit code: 0, or 1 when `shutdown_timeout` was not enough. Errors: address_in_use, io_error.
    [[nodiscard]] Result<int> run();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic::server
