#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <format>
#include <utility>

#include "server/http/port.hpp"
#include "server/http/request_parser.hpp"
#include "server/http/websocket.hpp"

namespace hotmic::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kFirstBuffer = 4 << 10;
constexpr std::size_t kBodyBuffer = 64 << 10;
/// After an answer that closes the connection: so long the client may go on sending what nobody reads, so that it gets
/// to read the answer instead of an error.
constexpr std::chrono::seconds kLinger{30};
constexpr std::chrono::seconds kLingerSilence{5};

/// The other side says that nothing more comes; within TLS it may leave that out.
bool is_end(const error_code& ec) {
    return ec == asio::error::eof || ec == asio::ssl::error::stream_truncated;
}

bool is_plain_http(const error_code& ec) {
    return ec.category() == asio::error::get_ssl_category() &&
           ERR_GET_REASON(static_cast<unsigned long>(ec.value())) == SSL_R_HTTP_REQUEST;
}

/// A body that no handler wants.
class Dropped final : public BodyReader {
public:
    Dropped(std::function<void()> done, std::function<void(const Error&)> refuse)
        : done_(std::move(done)), refuse_(std::move(refuse)) {}

    bool take(std::string_view bytes) override {
        size_ += bytes.size();
        if (size_ <= kMostDropped) return true;
        refuse_({ErrorCode::body_too_large, "this request takes no body", "send none"});
        return false;
    }
    void finish() override { done_(); }
    void fail(const Error& error) override { refuse_(error); }

private:
    std::function<void()> done_;
    std::function<void(const Error&)> refuse_;
    std::size_t size_ = 0;
};

/// A body that its handler wants whole.
class Collected final : public BodyReader {
public:
    Collected(RequestPtr request, std::size_t most, std::function<void()> done,
              std::function<void(const Error&)> refuse)
        : request_(std::move(request)), most_(most), done_(std::move(done)), refuse_(std::move(refuse)) {}

    bool take(std::string_view bytes) override {
        auto& body = request_->body;
        if (body.size() + bytes.size() > most_) {
            refuse_({ErrorCode::body_too_large, std::format("the body is over {} bytes", most_)});
            return false;
        }
        if (!request_->share.grow(bytes.size())) {
            refuse_({ErrorCode::server_busy, "the server holds too many bytes for clients", "try again later"});
            return false;
        }
        body += bytes;
        return true;
    }
    void finish() override { done_(); }
    void fail(const Error& error) override { refuse_(error); }

private:
    RequestPtr request_;
    std::size_t most_;
    std::function<void()> done_;
    std::function<void(const Error&)> refuse_;
};

/// One connection and its requests, one after the other: the next is not read before the answer to the one before has
/// been taken.
class Connection final : public Client,
                         public Ticking,
                         public Door::Guest,
                         public std::enable_shared_from_this<Connection> {
public:
    Connection(Accepted accepted, const Service& service)
        : stream_(std::move(accepted.socket), service.tls ? service.tls->context() : nullptr),
          loop_(accepted.loop),
          place_(std::move(accepted.place)),
          peer_(std::move(accepted.peer.address)),
          local_(accepted.peer.on_this_machine),
          service_(service),
          share_(service.budget),
          in_(kFirstBuffer) {}

    void start() {
        keep_alive(stream_.socket());
        place_->sit(weak_from_this());
        loop_.watch(shared_from_this());
        stream_.is_secure() ? shake_hands() : begin();
    }

    [[nodiscard]] bool gone() const noexcept override { return gone_; }
    void after(std::chrono::milliseconds time, std::function<void()> task) override {
        loop_.after(time, [weak = weak_from_this(), task = std::move(task)] {
            if (const auto self = weak.lock(); self && self->phase_ != Phase::closed) task();
        });
    }

    [[nodiscard]] std::int64_t idle_since() const noexcept override { return idle_since_; }
    void leave() override {
        idle_since_ = 0;
        loop_.post([weak = weak_from_this()] {
            const auto self = weak.lock();
            if (self && self->makes_room()) self->close();
        });
    }

    bool tick() override {
        if (phase_ != Phase::closed) look();
        return phase_ != Phase::closed;
    }

private:
    enum class Phase : std::uint8_t { handshake, head, body, answering, lingering, closed };

    [[nodiscard]] bool makes_room() const {
        return phase_ == Phase::handshake || phase_ == Phase::head || phase_ == Phase::lingering;
    }

    /// Of TLS. One that has not asked for anything yet may make room.
    void shake_hands() {
        phase_ = Phase::handshake;
        began_ = Clock::now();
        idle_since_ = began_.time_since_epoch().count();
        stream_.async_handshake([self = shared_from_this()](const error_code& ec) {
            if (self->phase_ == Phase::closed) return;
            if (!ec) return self->begin();
            if (is_plain_http(ec)) return self->refuse_plain_http();
            spdlog::debug("no TLS: peer={} why={:?}", self->peer_, ec.message());
            self->close();
        });
    }

    /// As bytes: the client would take anything else for noise.
    void refuse_plain_http() {
        static constexpr std::string_view kAnswer =
            "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 49\r\n"
            "connection: close\r\n\r\nThis port speaks TLS: ask with https:// or wss://";
        asio::async_write(stream_.socket(), asio::buffer(kAnswer),
                          [self = shared_from_this()](const error_code&, std::size_t) {
                              if (self->phase_ != Phase::closed) self->linger_raw();
                          });
    }

    void begin() {
        ++exchange_;
        request_.reset();
        reader_.reset();
        parser_ = std::make_unique<RequestParser>(service_.limits, [this](std::string_view bytes) { deliver(bytes); });
        answered_ = false;
        wants_no_more_ = false;
        received_ = 0;
        empty_lines_ = 0;
        began_ = {};
        heard_ = Clock::now();
        if (in_.size() > kFirstBuffer && used_ <= kFirstBuffer) {
            in_.resize(kFirstBuffer);
            in_.shrink_to_fit();
            (void)share_.resize(0);
        }
        phase_ = Phase::head;
        idle_since_ = heard_.time_since_epoch().count();
        advance();
    }

    void look() {
        const auto time = Clock::now();
        const auto& limits = service_.limits;
        switch (phase_) {
            case Phase::handshake:
                if (time - began_ > limits.header_timeout) close();
                break;
            case Phase::head:
                if (began_ == Clock::time_point{}) {
                    if (time - heard_ > limits.idle_timeout) close();
                } else if (time - began_ > limits.header_timeout) {
                    refuse({ErrorCode::client_too_slow, std::format("the request's head did not come within {} ms",
                                                                    limits.header_timeout.count())});
                }
                break;
            case Phase::body:
                if (time - began_ <= limits.body_timeout) break;
                if (static_cast<double>(received_) < kLeastRate * std::chrono::duration<double>(time - began_).count())
                    return end_body({ErrorCode::client_too_slow, "the body comes too slowly"});
                began_ = time;
                received_ = 0;
                break;
            case Phase::answering:
                if ((!answered_ || body_) && has_hung_up(stream_.socket())) close();
                break;
            case Phase::lingering:
                if (time > linger_until_ || time - heard_ > kLingerSilence) close();
                break;
            case Phase::closed:
                break;
        }
        if (phase_ == Phase::closed) return;
        if (!out_.empty() && time - wrote_ > limits.idle_timeout) return close();
        if (body_ && out_.empty()) pull();
    }

    // ---- Reading

    void read() {
        if (reading_ || phase_ == Phase::closed) return;
        if (used_ == in_.size()) {
            const auto most = std::max(kBodyBuffer, service_.limits.max_header_bytes + kFirstBuffer);
            const auto size = std::min(in_.size() * 4, most);
            if (size == in_.size())  // the parser takes or refuses what fills the buffer
                return refuse({ErrorCode::headers_too_large, "a line of the request is too long"});
            if (!share_.resize(size)) return refuse(busy());
            in_.resize(size);
        }
        reading_ = true;
        stream_.async_read_some(asio::buffer(in_.data() + used_, in_.size() - used_),
                                [self = shared_from_this()](const error_code& ec, std::size_t bytes) {
                                    self->reading_ = false;
                                    self->received(ec, bytes);
                                });
    }

    void received(const error_code& ec, std::size_t bytes) {
        if (phase_ == Phase::closed) return;
        if (ec) {
            if (phase_ != Phase::body || !is_end(ec)) return close();
            return end_body({ErrorCode::invalid_request, "the body ended early"});  // it may still read
        }
        heard_ = Clock::now();
        if (phase_ == Phase::lingering) return drop();
        used_ += bytes;
        advance();
    }

    /// Makes of what has been read what can be made of it, then reads on.
    void advance() {
        while (phase_ == Phase::head || phase_ == Phase::body) {
            if (phase_ == Phase::head && began_ == Clock::time_point{}) {
                skip_empty_lines();
                if (used_ > 0) began_ = Clock::now();
            }
            if (used_ == 0) return read();
            const auto fed = parser_->feed({in_.data(), used_});
            if (!fed) {
                if (phase_ == Phase::body) return end_body(fed.error());
                return refuse(fed.error());
            }
            std::copy(in_.begin() + static_cast<std::ptrdiff_t>(*fed), in_.begin() + static_cast<std::ptrdiff_t>(used_),
                      in_.begin());
            used_ -= *fed;
            if (phase_ == Phase::head) {
                if (!parser_->head_done()) return read();
                take_head();
                continue;
            }
            if (wants_no_more_) {
                phase_ = Phase::answering;
                return;
            }
            if (parser_->done()) return finish_body();
            if (*fed == 0) return read();
        }
    }

    /// Some clients end a body with a line of its own.
    void skip_empty_lines() {
        std::size_t at = 0;
        while (at + 1 < used_ && in_[at] == '\r' && in_[at + 1] == '\n' && empty_lines_ < 2) {
            at += 2;
            ++empty_lines_;
        }
        std::copy(in_.begin() + static_cast<std::ptrdiff_t>(at), in_.begin() + static_cast<std::ptrdiff_t>(used_),
                  in_.begin());
        used_ -= at;
    }

    void deliver(std::string_view bytes) {
        received_ += bytes.size();
        if (reader_ && !wants_no_more_) wants_no_more_ = !reader_->take(bytes);
    }

    void finish_body() {
        phase_ = Phase::answering;
        if (reader_) std::exchange(reader_, nullptr)->finish();
    }

    void end_body(const Error& error) {
        phase_ = Phase::answering;
        if (reader_ && !wants_no_more_) std::exchange(reader_, nullptr)->fail(error);
    }

    // ---- What is asked

    void take_head() {
        idle_since_ = 0;
        auto& head = parser_->head();
        request_ = std::make_shared<Request>();
        auto& request = *request_;
        request.method_name = head.method;
        request.method = method_of(head.method);
        request.headers = std::move(head.headers);
        request.host = request.headers.get("host");
        request.peer = peer_;
        request.from_this_machine = local_;
        request.client = weak_from_this();
        request.began = began_;
        keep_alive_ = head.keep_alive;
        is_http_10_ = head.is_http_10;
        phase_ = Phase::answering;
        if (!set_target(head.target)) {
            keep_alive_ = false;
            return refuse({ErrorCode::invalid_request, "the request's target is neither a path nor an http URL"});
        }
        dispatch(head);
    }

    [[nodiscard]] bool set_target(std::string_view target) const {
        auto& request = *request_;
        if (request.method == Method::options && target == "*") {
            request.target = request.path = "*";
            return true;
        }
        for (const std::string_view scheme : {"http://", "https://"}) {
            if (!same_name(target.substr(0, scheme.size()), scheme)) continue;
            target.remove_prefix(scheme.size());
            const auto slash = std::min(target.find_first_of("/?"), target.size());
            request.host = target.substr(0, slash);  // counts more than the field (RFC 9112, 3.2.2)
            target.remove_prefix(slash);
            if (target.empty()) target = "/";
            break;
        }
        if (!target.starts_with('/')) return false;
        request.target = target;
        const auto question = target.find('?');
        request.path = percent_decoded(target.substr(0, question));
        if (question != target.npos) request.query = parse_query(target.substr(question + 1));
        return true;
    }

    void dispatch(const RequestHead& head) {
        auto& request = *request_;
        auto match = service_.router.find(request.method, request.path);
        if (match.route != nullptr) {
            request.route = match.route->pattern;
            request.captures = std::move(match.captures);
        }
        // OPTIONS costs no more, and load balancers probe with it.
        const bool is_probe = request.method == Method::options || (match.route != nullptr && match.route->is_probe);
        request.share = Budget::Share(service_.budget, is_probe ? Budget::For::probes : Budget::For::anything);
        out_share_.emplace(service_.budget, is_probe ? Budget::For::probes : Budget::For::anything);
        if (!request.share.grow(head.bytes)) return refuse(busy());
        if (auto answer = service_.hooks.admit(request_, match)) return respond_at_once(std::move(*answer));
        if (place_->reserved() && !is_probe) {
            return refuse({ErrorCode::server_busy,
                           std::format("there are {} connections already", service_.limits.max_connections),
                           "try again later, or raise server.max_connections"});
        }
        if (match.route == nullptr) return refuse_route(match);
        const auto& route = *match.route;
        if (const auto expects = request.header("expect"); !expects.empty() && !same_name(expects, "100-continue"))
            return refuse({ErrorCode::expectation_failed, "the only Expect that is taken is 100-continue"});
        if (route.check) {
            if (auto answer = route.check(request_)) return respond_at_once(std::move(*answer));
        }
        if (route.open) return turn_into_socket(route, head);
        if (route.most_body > 0 && head.content_length.value_or(0) > route.most_body)
            return refuse({ErrorCode::body_too_large, std::format("the body is over {} bytes", route.most_body)});
        if (!route.receive && route.most_body == 0 && head.content_length.value_or(0) > kMostDropped)
            return refuse({ErrorCode::body_too_large, "this request takes no body", "send none"});
        reader_ = route.receive ? route.receive(request_, responder()) : reader_for(route, responder());
        if (!reader_) return;  // it has answered
        if (!head.has_body) return finish_body();
        phase_ = Phase::body;
        began_ = Clock::now();
        if (!is_http_10_ && used_ == 0 && request.headers.has("expect")) queue("HTTP/1.1 100 Continue\r\n\r\n");
    }

    std::shared_ptr<BodyReader> reader_for(const Route& route, const Respond& respond) {
        auto done = [&route, request = request_, respond] { route.handle(request, respond); };
        auto refusal = [this, request = request_, respond](const Error& error) {
            respond(service_.hooks.failure(error, request.get()));
        };
        if (route.most_body == 0) return std::make_shared<Dropped>(std::move(done), std::move(refusal));
        return std::make_shared<Collected>(request_, route.most_body, std::move(done), std::move(refusal));
    }

    void refuse_route(const Router::Match& match) {
        const auto& request = *request_;
        const bool any = request.method == Method::options && request.path == "*";
        if (match.methods.empty() && !any) {
            return refuse({ErrorCode::not_found, std::format("no such path: {} {}", request.method_name, request.path),
                           "GET / lists what there is"});
        }
        std::string allowed = "OPTIONS";
        for (const auto method : match.methods) {
            if (method != Method::options) allowed += std::format(", {}", to_string(method));
            if (method == Method::get) allowed += ", HEAD";
        }
        Response response{.status = 204};
        if (request.method != Method::options) {
            response = service_.hooks.failure(
                {ErrorCode::method_not_allowed,
                 std::format("the path exists, the method does not: {} {}", request.method_name, request.path)},
                &request);
        }
        response.headers.set("Allow", allowed);
        respond_at_once(std::move(response));
    }

    void turn_into_socket(const Route& route, const RequestHead& head) {
        auto possible = check_upgrade(*request_);
        if (possible && (is_http_10_ || head.has_body || used_ > 0)) {
            possible = fail(ErrorCode::invalid_request,
                            "a request for a WebSocket has no body, and nothing follows it "
                            "before it is answered");
        }
        if (!possible) {
            auto response = service_.hooks.failure(possible.error(), request_.get());
            if (possible.error().code == ErrorCode::upgrade_required) {
                response.headers.set("Upgrade", "websocket");
                response.headers.set("Connection", "Upgrade");
                response.headers.set("Sec-WebSocket-Version", "13");
            }
            return respond_at_once(std::move(response));
        }
        phase_ = Phase::closed;  // here; it goes on there
        upgrade(std::move(stream_), loop_, std::move(place_), std::exchange(request_, nullptr), route, service_);
    }

    // ---- Answering

    static Error busy() {
        return {ErrorCode::server_busy, "the server holds too many bytes for clients", "try again later"};
    }

    /// Answers with an error from here, and closes: what the client goes on to send is not what it would be taken for.
    void refuse(const Error& error) {
        if (answered_) return close();
        if (error.code == ErrorCode::server_busy) keep_alive_ = false;
        if (phase_ == Phase::head) {
            keep_alive_ = false;  // where the next request would begin is not known
            phase_ = Phase::answering;
            idle_since_ = 0;
        }
        respond_at_once(service_.hooks.failure(error, request_.get()));
    }

    void respond_at_once(Response response) {
        phase_ = Phase::answering;
        answer(exchange_, std::move(response));
    }

    /// Held by all copies of a Respond: answers when the last is gone and none was called.
    struct Once {
        std::weak_ptr<Connection> connection;
        std::uint64_t exchange;
        std::atomic<bool> used{false};

        Once(std::weak_ptr<Connection> of, std::uint64_t number) : connection(std::move(of)), exchange(number) {}
        Once(const Once&) = delete;
        Once& operator=(const Once&) = delete;
        ~Once() {
            if (used) return;
            const auto self = connection.lock();
            if (!self || self->phase_ == Phase::closed) return;
            self->loop_.post([self, number = exchange] {
                if (self->phase_ == Phase::closed || number != self->exchange_) return;
                self->answer(number, self->service_.hooks.failure({ErrorCode::internal, "the request was not answered"},
                                                                  self->request_.get()));
            });
        }
    };

    Respond responder() {
        return [once = std::make_shared<Once>(weak_from_this(), exchange_)](Response response) {
            if (once->used.exchange(true)) return;
            const auto self = once->connection.lock();
            if (!self) return;
            self->loop_.post([self, number = once->exchange, response = std::move(response)]() mutable {
                self->answer(number, std::move(response));
            });
        };
    }

    void answer(std::uint64_t exchange, Response response) {
        if (exchange != exchange_ || answered_ || phase_ == Phase::closed) return;
        answered_ = true;
        if (phase_ == Phase::body) {
            wants_no_more_ = true;
            phase_ = Phase::answering;
        }
        // What is left of the body would be taken for the next request.
        if (!parser_->done()) keep_alive_ = false;
        if (!out_share().grow(response.body.size())) {
            response = service_.hooks.failure(busy(), request_.get());
            out_share().insist(response.body.size());
            keep_alive_ = false;
        }
        if (request_) service_.hooks.complete(*request_, response);
        const bool is_head = request_ && request_->method == Method::head;
        const bool bodiless = response.status == 204 || response.status == 304;
        is_chunked_ = response.stream && keep_alive_ && !is_http_10_;
        if (response.stream && !is_chunked_) keep_alive_ = false;

        auto head = std::format("HTTP/1.1 {} {}\r\n", response.status, reason_of(response.status));
        if (is_chunked_) {
            head += "transfer-encoding: chunked\r\n";
        } else if (!response.stream && !bodiless) {
            head += std::format("content-length: {}\r\n", response.body.size());
        }
        if (!response.headers.has("connection") && (!keep_alive_ || is_http_10_))
            head += keep_alive_ ? "connection: keep-alive\r\n" : "connection: close\r\n";
        for (const auto& [name, value] : response.headers) head += std::format("{}: {}\r\n", lower_case(name), value);
        head += "\r\n";
        const bool has_body = !is_head && !bodiless;
        if (has_body && response.stream) body_ = std::move(response.stream);
        if (has_body && response.body.size() <= kFirstBuffer) {
            queue(std::move(head) + response.body);
        } else {
            queue(std::move(head));
            if (has_body && !response.body.empty()) queue(std::move(response.body));
        }
    }

    void pull() {
        auto piece = body_();
        if (piece.last) body_ = nullptr;
        std::string text;
        if (is_chunked_ && !piece.text.empty()) text = std::format("{:x}\r\n{}\r\n", piece.text.size(), piece.text);
        if (!is_chunked_) text = std::move(piece.text);
        if (is_chunked_ && piece.last) text += "0\r\n\r\n";
        if (!text.empty()) return queue(std::move(text));
        if (piece.last) answered();
    }

    Budget::Share& out_share() {
        if (!out_share_) out_share_.emplace(service_.budget);
        return *out_share_;
    }

    void queue(std::string bytes) {
        out_.push_back(std::move(bytes));
        if (out_.size() == 1) {
            wrote_ = Clock::now();
            offset_ = 0;
            write();
        }
    }

    void write() {
        stream_.async_write_some(
            asio::buffer(out_.front().data() + offset_, out_.front().size() - offset_),
            [self = shared_from_this()](const error_code& ec, std::size_t bytes) { self->written(ec, bytes); });
    }

    void written(const error_code& ec, std::size_t bytes) {
        if (phase_ == Phase::closed) return;
        if (ec) return close();
        wrote_ = Clock::now();
        offset_ += bytes;
        if (offset_ == out_.front().size()) {
            out_.pop_front();
            offset_ = 0;
        }
        if (!out_.empty()) return write();
        if (answered_ && !body_) answered();
    }

    void answered() {
        out_share_.reset();
        if (keep_alive_) return begin();
        linger();
    }

    /// Closing with bytes unread would have the client's system throw the answer away.
    void linger() {
        ++exchange_;
        request_.reset();
        reader_.reset();
        phase_ = Phase::lingering;
        used_ = 0;
        heard_ = Clock::now();
        linger_until_ = heard_ + kLinger;
        idle_since_ = heard_.time_since_epoch().count();
        if (!stream_.is_secure()) return linger_raw();
        // The other side may still send, which ends this.
        stream_.async_shutdown([self = shared_from_this()](const error_code&) {
            if (self->phase_ == Phase::lingering) self->linger_raw();
        });
    }

    /// Whatever comes now is read by nobody.
    void linger_raw() {
        error_code ignored;
        auto& socket = stream_.socket();
        socket.shutdown(RawSocket::shutdown_send, ignored);
        if (phase_ == Phase::handshake) {
            heard_ = Clock::now();
            linger_until_ = heard_ + kLinger;
        }
        phase_ = Phase::lingering;
        drop();
    }

    void drop() {
        if (reading_) return;
        reading_ = true;
        stream_.socket().async_read_some(asio::buffer(in_),
                                         [self = shared_from_this()](const error_code& ec, std::size_t) {
                                             self->reading_ = false;
                                             if (self->phase_ == Phase::closed) return;
                                             if (ec) return self->close();
                                             self->heard_ = Clock::now();
                                             self->drop();
                                         });
    }

    void close() {
        if (phase_ == Phase::closed) return;
        if (phase_ == Phase::body) end_body({ErrorCode::cancelled, "the client went away"});
        phase_ = Phase::closed;
        gone_ = true;
        idle_since_ = 0;
        error_code ignored;
        stream_.socket().close(ignored);
        body_ = nullptr;
        reader_.reset();
        request_.reset();
        out_share_.reset();
        share_ = {};
        place_.reset();
    }

    ByteStream stream_;
    Loop& loop_;
    std::unique_ptr<Door::Place> place_;
    const std::string peer_;
    const bool local_;
    const Service& service_;
    Budget::Share share_;  // of `in_`, beyond its first size
    std::vector<char> in_;
    std::size_t used_ = 0;  // of `in_`
    std::unique_ptr<RequestParser> parser_;
    RequestPtr request_;
    std::shared_ptr<BodyReader> reader_;
    NextPiece body_;
    std::deque<std::string> out_;
    std::size_t offset_ = 0;  // of out_.front()
    std::optional<Budget::Share> out_share_;
    std::uint64_t exchange_ = 0;  // of request and answer
    std::uint64_t received_ = 0;  // of the body, since `began_`
    Clock::time_point began_{};   // the request, or the part of its body that is timed; none: nothing of it has come
    Clock::time_point heard_{};
    Clock::time_point wrote_{};
    Clock::time_point linger_until_{};
    Phase phase_ = Phase::head;
    int empty_lines_ = 0;
    bool reading_ = false;
    bool keep_alive_ = true;
    bool is_http_10_ = false;
    bool is_chunked_ = false;
    bool answered_ = false;
    bool wants_no_more_ = false;
    std::atomic<bool> gone_{false};
    std::atomic<std::int64_t> idle_since_{0};
};

}  // namespace

void serve(Port& port, const Service& service) {
    auto& impl = port.impl();
    impl.door = &service.door;
    impl.take = [&service](Accepted accepted) { std::make_shared<Connection>(std::move(accepted), service)->start(); };
    impl.accept();
}

}  // namespace hotmic::http
