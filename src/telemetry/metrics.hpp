/// What is counted and measured, in the text formats of Prometheus and OpenMetrics.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/units.hpp"
#include "telemetry/exemplars.hpp"

namespace hotmic::telemetry {

/// The server's metrics. Any thread. Names and labels are in docs/api.md.
class Metrics {
public:
    /// `error_codes`: every code there is, so that each has a series from the start.
    explicit Metrics(const std::vector<std::string_view>& error_codes, std::string_view version);
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    /// An HTTP request was answered.
    void request(std::string_view route, int status, Seconds took, const TraceReference& trace = {});
    /// An error was told to a client.
    void error(std::string_view code);
    /// The same for who presented an API key, by its name. A WebSocket counts when it is opened, with 101.
    void request_of_key(std::string_view key, int status);
    /// Audio of a file that was recognized for it.
    void audio_of_key(std::string_view key, Seconds audio);
    /// A recognition ended well.
    void recognition(std::string_view model, Seconds queued, Seconds inference, Seconds audio,
                     const TraceReference& trace = {});
    /// What the engine did on the way (Transcript::counters), and speech that it gave no text for.
    void decoding(std::string_view model, const std::map<std::string, int>& events, Seconds uncovered);
    /// An engine was asked for the language of a stretch of speech.
    void detection(std::string_view model, double probability);
    void in_flight(int change);
    /// A request lost with its model is tried once more.
    void replayed(std::string_view model);

    /// State of a model, as of now; written just before the metrics are read.
    struct ModelGauges {
        std::string model;
        std::string_view state;
        std::vector<std::string_view> all_states;
        Seconds load_time{};
        Seconds warmup_time{};
        double resident_bytes = 0;
        double slots = 0;
        double slots_busy = 0;
        double waiting = 0;
        double first_request_ratio = 0;
        std::uint64_t transitions = 0;
    };
    /// Of every model there is. What was told of others before is told no more.
    void models(const std::vector<ModelGauges>& all);

    /// State of all live streams, as of now; likewise.
    struct LiveGauges {
        double streams = 0;
        std::string_view level;
        std::vector<std::pair<std::string_view, Seconds>> thresholds;  ///< every level, and the lateness it begins at
        Seconds lateness{};
        Seconds backlog{};
        Seconds dropped{};
    };
    void live(const LiveGauges& gauges);

    /// What is held for clients, as of now, and how often there was no room since the start; likewise.
    struct ConnectionGauges {
        double open = 0;
        double refused = 0;
        double evicted = 0;
        double buffered_bytes = 0;
        double max_buffered_bytes = 0;
        double buffer_refusals = 0;
        double spooled_bytes = 0;
        double max_spooled_bytes = 0;
        double spool_refusals = 0;
    };
    void connections(const ConnectionGauges& gauges);
    /// An API key. `expires`: in seconds since 1970; 0: never.
    struct KeyGauges {
        std::string key;
        double expires = 0;
    };
    /// Every key there is. What was told of others before is told no more.
    void keys(const std::vector<KeyGauges>& all);
    /// When the server's certificate expires, in seconds since 1970.
    void certificate(double expires);

    /// Processes that decode media, as of now, and how they ended since the start; likewise.
    struct DecoderGauges {
        double running = 0;
        double begun = 0;
        std::map<std::string, double> lost{};  ///< by cause: "crashed", "limited", "hung"
        double replaced = 0;
    };
    void decoders(const DecoderGauges& gauges);

    /// Downloads of models, as of now and since the start; likewise.
    struct DownloadFigures {
        double under_way = 0;
        // Of all that are under way.
        double done_bytes = 0;
        double total_bytes = 0;
        double bytes_per_second = 0;
        double received_bytes = 0;                       ///< in all
        std::map<std::string, std::uint64_t> results{};  ///< how many ended so: "ok", or an error's code
    };
    void downloads(const DownloadFigures& figures);

    /// Spans that were sent and that could not be, since the start; likewise.
    void spans(std::uint64_t exported, std::uint64_t failed);

    /// Recordings that are recognized while nobody waits, as of now and since the start; likewise.
    struct JobGauges {
        std::map<std::string, double> jobs{};  ///< by status
        Seconds oldest_queued{};               ///< since it was made
        double bytes = 0;
        double pending_deliveries = 0;
        std::map<std::string, std::uint64_t> deliveries{};  ///< attempts, by what came of them
    };
    void jobs(const JobGauges& gauges);

    /// In Prometheus' format.
    [[nodiscard]] std::string text() const;
    /// In OpenMetrics' format, with the newest trace of each bucket as its exemplar.
    [[nodiscard]] std::string open_metrics() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic::telemetry
