/// Messages of EchoPanel's live captions, field by field: docs/api.md has them. What EchoPanel makes of a transcript
/// beyond it is present and empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hotmic::server {
namespace wire {

struct ClientFeatures {
    bool clock_drift_compensation_enabled = false;
    bool client_vad_enabled = false;
    bool clock_drift_telemetry_enabled = false;
    bool client_vad_telemetry_enabled = false;
};

/// Any message of a client; what a type does not use is not looked at.
struct LiveListenerMessage {
    std::string type;
    std::string session_id;
    std::optional<std::string> attempt_id;
    std::optional<std::string> connection_id;
    int sample_rate = 16'000;
    std::string format = "pcm_s16le";
    int channels = 1;
    std::optional<ClientFeatures> client_features;
    std::string source = "system";
    std::string data;
};

// Every message of ours ends with the three ids of its session; `stamp` sets them.

struct Status {
    std::string type = "status";
    std::string state;
    std::string message;
    std::optional<std::string> source;
    std::optional<std::string> degrade_level;
    std::optional<std::uint64_t> dropped_frames;
    std::optional<double> dropped_seconds;
    std::optional<double> backlog_seconds;
    std::optional<ClientFeatures> client_features;
    std::string session_id;
    std::string attempt_id;
    std::string connection_id;
};

struct Problem {
    std::string type = "error";
    std::string message;
    std::string code;
    std::string session_id;
    std::string attempt_id;
    std::string connection_id;
};

struct AsrText {
    std::string type;
    double t0 = 0;
    double t1 = 0;
    std::string text;
    bool stable = false;
    double confidence = 0;
    std::string source;
    std::optional<std::string> language;
    std::optional<std::string> segment_id;
    std::string session_id;
    std::string attempt_id;
    std::string connection_id;
};

struct SourceMetrics {
    std::string type = "metrics";
    std::string source;
    std::uint64_t queue_bytes = 0;
    std::uint64_t queue_bytes_max = 0;
    double queue_fill_ratio = 0;
    double backlog_seconds = 0;
    double max_backlog_seconds = 0;
    std::uint64_t queue_depth = 0;
    std::uint64_t queue_max_frames = 0;
    std::uint64_t dropped_total = 0;
    std::uint64_t dropped_recent = 0;
    std::uint64_t dropped_chunks_last_10s = 0;
    double avg_infer_ms = 0;
    double avg_processing_ms = 0;
    double realtime_factor = 0;
    std::string provider;
    std::string model_id;
    bool vad_enabled = true;
    std::string provider_health;
    std::vector<std::string> sources_active;
    std::string degrade_level;
    double timestamp = 0;
    bool clock_drift_compensation_enabled = false;
    bool client_vad_enabled = false;
    bool clock_drift_telemetry_enabled = false;
    bool client_vad_telemetry_enabled = false;
    std::string session_id;
    std::string attempt_id;
    std::string connection_id;
};

struct ClockSpread {
    double last = 0;
    double max = 0;
};
struct Nothing {};
struct Summary {
    std::string session_id;
    std::vector<AsrText> transcript;
    std::vector<int> actions;
    std::vector<int> decisions;
    std::vector<int> risks;
    Nothing entities;
    std::vector<int> diarization;
    ClientFeatures client_features;
    ClockSpread clock_spread_ms;
    Nothing recordings;
};
struct FinalSummary {
    std::string type = "final_summary";
    std::string markdown;
    Summary json;
    std::string session_id;
    std::string attempt_id;
    std::string connection_id;
};

}  // namespace wire

}  // namespace hotmic::server
