/// Events of OpenAI's Realtime API as they are sent, field by field.
/// https://platform.openai.com/docs/api-reference/realtime-server-events
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hotmic::server {
namespace wire {

using OptionalText = std::optional<std::string>;

struct AudioFormat {
    std::string type;
    int rate = 0;
};
struct SessionTranscription {
    std::string model;
    OptionalText language;
    std::optional<std::vector<std::string>> languages;  // an extension
    OptionalText prompt;
};
struct SessionTurns {
    std::string type;
    double threshold = 0;
    std::int64_t prefix_padding_ms = 0;
    std::int64_t silence_duration_ms = 0;
};
struct SessionInput {
    AudioFormat format;
    OptionalText noise_reduction;  // none is done, whatever was asked for
    SessionTranscription transcription;
    std::optional<SessionTurns> turn_detection;
};
struct SessionAudio {
    SessionInput input;
};
struct RealtimeSession {
    std::string id;
    std::string object = "realtime.transcription_session";
    std::string type = "transcription";
    std::int64_t expires_at = 0;  // never
    SessionAudio audio;
    std::optional<std::vector<std::string>> include;
};
struct SessionEvent {
    std::string type;
    std::string event_id;
    RealtimeSession session;
};

struct RealtimeError {
    std::string type;
    std::string code;
    std::string message;
    OptionalText param;
    OptionalText event_id;
};
struct ErrorEvent {
    std::string type;
    std::string event_id;
    RealtimeError error;
};

struct SpeechEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    std::optional<std::int64_t> audio_start_ms;
    std::optional<std::int64_t> audio_end_ms;
};
struct CommittedEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    OptionalText previous_item_id;
};
struct ItemContent {
    std::string type = "input_audio";
    OptionalText transcript;
};
struct Item {
    std::string id;
    std::string object = "realtime.item";
    std::string type = "message";
    std::string role = "user";
    std::string status = "completed";
    std::vector<ItemContent> content;
};
struct ItemEvent {
    std::string type;
    std::string event_id;
    OptionalText previous_item_id;
    Item item;
};

struct Logprob {
    std::string token;
    double logprob = 0;
    std::vector<int> bytes;
};
struct Usage {
    std::string type = "duration";
    double seconds = 0;
};
struct DeltaEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    int content_index = 0;
    std::string delta;
};
struct SegmentEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    int content_index = 0;
    std::string id;
    std::string text;
    std::string speaker;  // nobody is told from anybody
    double start = 0;     // seconds of the session's audio
    double end = 0;
};
struct CompletedEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    int content_index = 0;
    std::string transcript;
    Usage usage;
    std::optional<std::vector<Logprob>> logprobs;
};
struct FailedEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    int content_index = 0;
    RealtimeError error;
};
struct BareEvent {
    std::string type;
    std::string event_id;
};

}  // namespace wire

}  // namespace hotmic::server
