#include "server/http/stream.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <functional>
#include <memory>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "server/http/budget.hpp"
#include "server/http/door.hpp"
#include "server/http/limits.hpp"
#include "server/http/listener.hpp"
#include "server/http/loop.hpp"
#include "server/http/message.hpp"
#include "server/http/outbox.hpp"
#include "server/http/over_budget.hpp"
#include "server/http/port.hpp"

namespace hotmic::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

class TcpStream final : public Stream,
                        public Ticking,
                        public Door::Guest,
                        public std::enable_shared_from_this<TcpStream> {
public:
    TcpStream(Accepted accepted, const Service& service)
        : socket_(std::move(accepted.socket)),
          loop_(accepted.loop),
          place_(std::move(accepted.place)),
          peer_(std::move(accepted.peer.address)),
          name_(std::format("{}:{}", peer_, accepted.peer.port)),
          service_(service),
          share_(service.budget) {}

    void start(const OpenStream& open) {
        keep_alive(socket_);
        place_->sit(weak_from_this());
        loop_.watch(shared_from_this());
        heard_ = Clock::now();
        handler_ = open(shared_from_this());
        note_idleness();
        read();
    }

    void send(std::string bytes) override {
        if (closing_ || over_) return;
        const auto put = out_.put(std::move(bytes));
        if (put == Outbox::Put::first) return write();
        if (put == Outbox::Put::waiting) return;
        spdlog::warn("stream closed: {}, connection={} unread_bytes={}",
                     put == Outbox::Put::unread ? "the client does not read" : "too many bytes are held for clients",
                     name_, out_.unread());
        over();
    }

    void close() override {
        if (std::exchange(closing_, true) || !out_.empty()) return;
        over();
    }

    [[nodiscard]] const std::string& peer() const noexcept override { return peer_; }
    [[nodiscard]] const std::string& name() const noexcept override { return name_; }
    [[nodiscard]] std::function<void(std::function<void()>)> poster() override {
        return [weak = weak_from_this()](std::function<void()> task) {
            const auto self = weak.lock();
            if (!self) return;
            self->loop_.post([self, task = std::move(task)] {
                if (!self->over_) task();
            });
        };
    }

    [[nodiscard]] std::shared_ptr<void> hold() override {
        ++holds_;
        return {this, [self = shared_from_this()](void*) {
                    self->loop_.post([self] {
                        --self->holds_;
                        self->read();
                    });
                }};
    }

    bool tick() override {
        if (!over_) look();
        return !over_;
    }

    [[nodiscard]] std::int64_t idle_since() const noexcept override { return idle_since_; }
    void leave() override {
        idle_since_ = 0;
        loop_.post([weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->over();
        });
    }

private:
    void look() {
        const auto time = Clock::now();
        if (out_.stuck(service_.limits.idle_timeout)) return over();
        note_idleness();
        if (closing_ || holds_ > 0) return;
        const auto allowed = service_.limits.body_timeout + Seconds(static_cast<double>(taken_) / kLeastRate);
        if (progress_.begun && time - began_ > allowed) return refuse("a message came too slowly");
        if (!handler_->owes() && time - heard_ > service_.limits.idle_timeout) refuse("nothing was said for too long");
    }

    void refuse(const char* why) {
        handler_->on_refused({ErrorCode::client_too_slow, why});
        close();
    }

    /// Since when the message has been coming that is not complete, and with how many bytes.
    void note_progress(std::size_t bytes) {
        const auto now = handler_->progress();
        if (now.messages != progress_.messages || !progress_.begun) {
            began_ = heard_;
            taken_ = 0;
        }
        taken_ += bytes;
        progress_ = now;
    }

    void note_idleness() {
        const bool busy = over_ || (handler_ && handler_->busy());
        idle_since_ = busy ? 0 : heard_.time_since_epoch().count();
    }

    void read() {
        if (over_ || closing_ || reading_ || holds_ > 0 || out_.is_full()) return;
        reading_ = true;
        socket_.async_read_some(asio::buffer(in_), [self = shared_from_this()](const error_code& ec, std::size_t n) {
            self->reading_ = false;
            self->take(ec, n);
        });
    }

    void take(const error_code& ec, std::size_t bytes) {
        if (over_) return;
        if (ec) return over();
        heard_ = Clock::now();
        handler_->on_bytes({in_.data(), bytes});
        if (over_) return;
        note_progress(bytes);
        const auto held = handler_->held();
        const bool room = held <= held_ || share_.grow(held - held_);
        if (held < held_) share_.shrink(held_ - held);
        if (room) {
            held_ = held;
        } else {
            handler_->on_refused(over_budget());
            close();
        }
        read();
    }

    void write() {
        asio::async_write(socket_, asio::buffer(out_.front()),
                          [self = shared_from_this()](const error_code& ec, std::size_t) { self->written(ec); });
    }

    void written(const error_code& ec) {
        if (over_) return;
        if (ec) return over();
        out_.sent();
        if (!out_.empty()) return write();
        if (closing_) return over();
        read();
    }

    void over() {
        if (std::exchange(over_, true)) return;
        idle_since_ = 0;
        error_code ignored;
        socket_.shutdown(RawSocket::shutdown_both, ignored);
        socket_.close(ignored);
        share_ = {};
        place_.reset();
        // It may be what called.
        loop_.post([handler = std::exchange(handler_, nullptr)] {});
    }

    RawSocket socket_;
    Loop& loop_;
    std::unique_ptr<Door::Place> place_;
    const std::string peer_;
    const std::string name_;
    const Service& service_;
    Budget::Share share_;
    std::shared_ptr<StreamHandler> handler_;
    std::array<char, 16 << 10> in_{};
    std::size_t held_ = 0;  // by the handler
    Outbox out_{share_};
    StreamHandler::Progress progress_{};
    std::size_t taken_ = 0;      // of the message that has begun
    Clock::time_point began_{};  // it
    Clock::time_point heard_{};
    std::atomic<std::int64_t> idle_since_{0};
    int holds_ = 0;
    bool reading_ = false;
    bool closing_ = false;
    bool over_ = false;
};

}  // namespace

void serve_streams(Port& port, const Service& service, OpenStream open) {
    auto& impl = port.impl();
    impl.door = &service.door;
    impl.reserve = Door::Reserve::closed;  // there is nothing here that has to be answered
    impl.take = [&service, open = std::move(open)](Accepted accepted) {
        std::make_shared<TcpStream>(std::move(accepted), service)->start(open);
    };
    impl.accept();
}

}  // namespace hotmic::http
