/// What the handlers of all API families share.
#pragma once

#include <atomic>

#include "config/config.hpp"
#include "hotmic/live_stream.hpp"
#include "server/admission.hpp"
#include "server/catalog.hpp"
#include "server/clients.hpp"
#include "server/executor.hpp"
#include "server/planner.hpp"
#include "server/socket.hpp"
#include "telemetry/metrics.hpp"

namespace hotmic::server {

struct Context {
    const config::Config& config;
    ModelCatalog& catalog;
    JobBook& jobs;
    Planner& planner;
    const Journal& journal;
    const ProviderRegistry& providers;
    telemetry::Metrics& metrics;
    Executor& decoders;
    InFlight& in_flight;
    Clients& clients;
    LiveHub& live;
    std::shared_ptr<const VadModel> vad_model;  ///< null: the detector that needs none
    SocketSessions& sockets;
    std::atomic<bool> not_ready{false};  ///< shutting down: readiness is withdrawn
    std::atomic<bool> refusing{false};   ///< shutting down: new requests are refused
    std::atomic<bool> started{false};    ///< every required model has been READY once
    Clock::time_point began = Clock::now();

    /// Sets `started` when every required model is READY now.
    void note_ready() {
        if (!started && catalog.ready()) started = true;
    }
};

/// Each registers its routes with the HTTP library. `context` must outlive the server's run.
void register_openai(Context& context);
void register_probes(Context& context);
void register_health(Context& context);
void register_admin(Context& context);
void register_realtime(Context& context);
void register_echopanel(Context& context);
void register_oip(Context& context);

}  // namespace hotmic::server
