/// Inside of listeners: a connection that speaks HTTP.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hotmic/error.hpp"
#include "server/http/budget.hpp"
#include "server/http/byte_stream.hpp"
#include "server/http/door.hpp"
#include "server/http/listener.hpp"
#include "server/http/loop.hpp"
#include "server/http/message.hpp"
#include "server/http/port.hpp"
#include "server/http/receive_buffer.hpp"
#include "server/http/request_parser.hpp"
#include "server/http/response_writer.hpp"
#include "server/http/router.hpp"
#include "server/http/send_queue.hpp"

namespace hotmic::http {

/// One connection and its requests, one after the other: the next is not read before the answer to the one before has
/// been taken.
///
///     handshake ─▶ head ─▶ body ─▶ answering ─▶ head …      any ─▶ closed
///                                      └─▶ lingering ─▶ closed
///
/// It keeps itself while something of it is under way in the event library, and while the loop watches it.
class Connection final : public Client,
                         public Ticking,
                         public Door::Guest,
                         public std::enable_shared_from_this<Connection> {
public:
    Connection(Accepted accepted, const Service& service);

    /// On the connection's loop, as everything below that is not said to be for any thread.
    void start();

    [[nodiscard]] bool gone() const noexcept override { return gone_; }
    void after(std::chrono::milliseconds time, std::function<void()> task) override;

    [[nodiscard]] std::int64_t idle_since() const noexcept override { return idle_since_; }
    void leave() override;

    bool tick() override {
        if (phase_ != Phase::closed) look();
        return phase_ != Phase::closed;
    }

private:
    enum class Phase : std::uint8_t {
        handshake,  ///< of TLS
        head,       ///< of a request, which may not have begun
        body,       ///< is read
        answering,  ///< the request is its handler's, or its answer is being sent; nothing is read
        lingering,  ///< the last answer was sent; what comes is dropped
        closed,     ///< or it goes on as a WebSocket
    };

    [[nodiscard]] bool makes_room() const {
        return phase_ == Phase::handshake || phase_ == Phase::head || phase_ == Phase::lingering;
    }

    // ---- Its life (connection.cpp)

    /// Of TLS. One that has not asked for anything yet may make room.
    void shake_hands();

    /// As bytes: the client would take anything else for noise.
    void refuse_plain_http();
    /// Waits for the next request.
    void begin();
    /// Looks at the deadlines of the phase, and asks a streamed answer for what is new.
    void look();

    // ---- Requests (connection_requests.cpp)

    void read();
    void received(const boost::system::error_code& ec, std::size_t bytes);

    /// Makes of what has been read what can be made of it, then reads on.
    void advance();

    /// Some clients end a body with a line of its own.
    void skip_empty_lines();
    /// Gives a part of the body to its reader.
    void deliver(std::string_view bytes);
    void finish_body();
    void end_body(const Error& error);

    /// Makes the request of its head, and gives it to whom it is for.
    void take_head();
    void hand_over(const RequestHead& head);

    // ---- Answers (connection_answers.cpp)

    /// Answers with an error from here, and closes: what the client goes on to send is not what it would be taken for.
    void refuse(const Error& error);
    void respond_at_once(Response response);
    /// For the request that is under way; once that was answered its copies do nothing.
    Respond responder();
    /// The answer where its handler gave none.
    [[nodiscard]] Response defect() const;
    void answer(std::uint64_t exchange, Response response);
    /// Asks a streamed answer for its next piece.
    void pull();
    Budget::Share& out_share();
    void send(std::string bytes);
    void write();
    void written(const boost::system::error_code& ec, std::size_t bytes);
    void answered();

    // ---- Its end

    /// Closing with bytes unread would have the client's system throw the answer away.
    void linger();

    /// Whatever comes now is read by nobody.
    void linger_raw();
    void drop();
    void close();

    ByteStream stream_;
    Loop& loop_;
    std::unique_ptr<Door::Place> place_;
    const std::string peer_;
    const bool local_;
    const Service& service_;
    ReceiveBuffer in_;
    std::unique_ptr<RequestParser> parser_;
    RequestPtr request_;
    std::shared_ptr<BodyReader> reader_;
    NextPiece body_;
    SendQueue out_;
    Framing framing_{};  // of the answer
    std::optional<Budget::Share> out_share_;
    std::uint64_t exchange_ = 0;  // of request and answer
    std::uint64_t received_ = 0;  // of the body, since `began_`
    Clock::time_point began_{};   // the request, or the part of its body that is timed; none: nothing of it has come
    Clock::time_point heard_{};
    Clock::time_point linger_until_{};
    Phase phase_ = Phase::head;
    int empty_lines_ = 0;
    bool reading_ = false;
    bool keep_alive_ = true;
    bool is_http_10_ = false;
    bool answered_ = false;
    bool wants_no_more_ = false;
    std::atomic<bool> gone_{false};
    std::atomic<std::int64_t> idle_since_{0};
};

}  // namespace hotmic::http
