/// What the handlers of all API families share.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "config/config.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/state.hpp"
#include "hotmic/voice.hpp"
#include "server/catalog.hpp"
#include "server/clients.hpp"
#include "server/executor.hpp"
#include "server/http/budget.hpp"
#include "server/http/door.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"
#include "server/http/socket.hpp"
#include "server/in_flight.hpp"
#include "server/keys.hpp"
#include "server/planner.hpp"
#include "server/pulls.hpp"
#include "server/upload.hpp"
#include "store/downloads.hpp"
#include "telemetry/metrics.hpp"
#include "tracing/traces.hpp"

namespace hotmic::jobs {
class Jobs;
}

namespace hotmic::server {

using http::Close;
using http::Method;
using http::RequestPtr;
using http::Respond;
using http::Response;
using http::Socket;
using http::SocketSession;
using http::SocketSessions;

struct Context {
    const config::Config& config;
    ModelCatalog& catalog;
    JobBook& jobs;
    Planner& planner;
    const Journal& journal;
    const ProviderRegistry& providers;
    telemetry::Metrics& metrics;
    const tracing::Traces& traces;
    Executor& decoders;
    InFlight& in_flight;
    Clients& clients;
    Keys& keys;
    LiveHub& live;
    std::shared_ptr<const VadModel> vad_model;  ///< null: the detector that needs none
    SocketSessions& sockets;
    const http::Budget& budget;
    const http::Door& door;
    Executor& hearing;   ///< large pieces of live audio
    Executor& planning;  ///< of models: it reads files
    std::shared_ptr<Spool> spool;
    Pulls& pulls;
    const store::Downloads& downloads;
    MediaDecoder& decoder;
    const std::function<telemetry::Metrics::DecoderGauges()>& decoder_gauges;
    jobs::Jobs* transcription_jobs;      ///< null: this server keeps none
    Executor& filing;                    ///< of jobs: it waits for the disk
    std::atomic<bool> not_ready{false};  ///< shutting down: readiness is withdrawn
    std::atomic<bool> refusing{false};   ///< shutting down: new requests are refused
    std::atomic<bool> started{false};    ///< every required model has been READY once
    Clock::time_point began = Clock::now();

    /// Sets `started` when every required model is READY now.
    void note_ready() {
        if (!started && catalog.ready()) started = true;
    }
};

/// Each adds its routes. `context` must outlive the server's run.
void add_openai_routes(http::Router& router, Context& context);
void add_job_routes(http::Router& router, Context& context);
void add_probes_routes(http::Router& router, Context& context);
void add_health_routes(http::Router& router, Context& context);
void add_metrics_routes(http::Router& router, Context& context);
void add_admin_routes(http::Router& router, Context& context);
void add_pull_routes(http::Router& router, Context& context);
void add_suggestion_routes(http::Router& router, Context& context);
void add_realtime_routes(http::Router& router, Context& context);
void add_echopanel_routes(http::Router& router, Context& context);
void add_oip_routes(http::Router& router, Context& context);

}  // namespace hotmic::server
