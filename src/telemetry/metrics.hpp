/// What is counted and measured, in Prometheus' text format.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
    void request(std::string_view route, int status, double seconds);
    /// An error was told to a client.
    void error(std::string_view code);
    /// A recognition ended well.
    void recognition(std::string_view model, double queued_seconds, double inference_seconds, double audio_seconds);
    void in_flight(int change);
    /// A request lost with its model is tried once more.
    void replayed(std::string_view model);

    /// State of one model, as of now; written just before the metrics are read.
    struct ModelGauges {
        std::string model;
        std::string_view state;
        std::vector<std::string_view> all_states;
        double load_seconds = 0;
        double warmup_seconds = 0;
        double resident_bytes = 0;
        double slots = 0;
        double slots_busy = 0;
        double waiting = 0;
        double first_request_ratio = 0;
        std::uint64_t transitions = 0;
    };
    void model(const ModelGauges& gauges);

    /// State of all live streams, as of now; likewise.
    struct LiveGauges {
        double streams = 0;
        std::string_view level;
        std::vector<std::pair<std::string_view, double>> thresholds;  ///< every level, and the lateness it begins at
        double lateness_seconds = 0;
        double backlog_seconds = 0;
        double dropped_seconds = 0;
    };
    void live(const LiveGauges& gauges);

    /// The exposition text.
    [[nodiscard]] std::string text() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic::telemetry
