/// The phases of models' lives as spans: load and warmup, under one of the instance that ends when it is READY or given
/// up.
#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <thread>

#include "hotmic/journal.hpp"
#include "tracing/span.hpp"
#include "tracing/traces.hpp"

namespace hotmic::server {

/// Reads the journal on a thread of its own until it is destroyed.
class LifecycleTraces {
public:
    /// Both must outlive this.
    LifecycleTraces(const tracing::Traces& traces, const Journal& journal);

private:
    void run(const std::stop_token& stop);
    void take(const Transition& transition);

    const tracing::Traces& traces_;
    const Journal& journal_;
    std::map<std::string, tracing::Span> on_their_way_;  // by instance; of the thread
    std::jthread thread_;
};

}  // namespace hotmic::server
