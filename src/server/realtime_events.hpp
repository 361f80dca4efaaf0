/// What a client of the Realtime API is told: events with their ids, in the order in which they happen.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/units.hpp"
#include "server/context.hpp"
#include "server/realtime_config.hpp"

namespace hotmic::server {

/// Use on the connection's loop only.
class RealtimeEvents {
public:
    /// What somebody said between two pauses, or two commits: an item of the conversation.
    struct Turn {
        std::string item{};  ///< its id; empty before it has begun
        std::string told{};  ///< of its text, by deltas
        bool committed = false;
        Seconds length{};
    };

    /// `id`: of the session, and part of every other.
    RealtimeEvents(Context& context, std::shared_ptr<Socket> socket, std::string id)
        : context_(context), socket_(std::move(socket)), id_(std::move(id)) {}

    /// Clients of the beta are told of items otherwise.
    void speak_beta(bool beta) noexcept { beta_ = beta; }
    [[nodiscard]] std::string next_item();

    void session(const std::string& type, const RealtimeConfig& config);
    /// Times are of the session's audio.
    void speech_started(const Turn& turn, Seconds at);
    void speech_stopped(const Turn& turn, Seconds at);
    void committed(Turn& turn);
    /// What is new in `text`, which only ever grows.
    void delta(Turn& turn, const std::string& text);
    /// When it was said, which no other event tells. `offset`: audio of the session before the event's stream.
    void segment(const Turn& turn, const LiveEvent& event, Seconds offset);
    void completed(const Turn& turn, const LiveEvent& event, bool logprobs);
    void failed(const Turn& turn, const Error& error);
    void cleared();
    /// `cause`: the id of the client's event that is refused; empty where it gave none, or there is none.
    void refused(const Error& error, const std::string& cause);

private:
    [[nodiscard]] std::string next_event();
    void send(const auto& event) const;
    /// Of events in which null is an answer.
    void send_whole(const auto& event) const;

    Context& context_;
    const std::shared_ptr<Socket> socket_;
    const std::string id_;
    std::string last_item_;
    std::uint64_t items_ = 0;
    std::uint64_t events_ = 0;
    bool beta_ = false;
};

}  // namespace hotmic::server
