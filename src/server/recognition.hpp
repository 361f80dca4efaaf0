/// One recording on its way through a model, whatever API it came by: find the model, lease it, decode, recognize; once
/// more where the model dies on the way.
#pragma once

#include <drogon/HttpRequest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/context.hpp"

namespace hotmic::server {

/// Begun by the socket's thread, decoded by a decoder, answered by a slot.
class Recognition : public std::enable_shared_from_this<Recognition> {
public:
    struct Order {
        std::string model;  ///< name or alias; empty: the default
        TranscribeOptions options{};
        std::optional<Endpointing> chunking{};  ///< recognize only where somebody speaks, each utterance by itself
        std::shared_ptr<const std::vector<std::byte>> media;
        /// Text as it becomes final, and the model that heard it; on the slot's thread, in order. May be empty.
        std::function<void(const Segment&, const std::string& served_by)> on_segment{};
        /// Whether a model that dies may be replaced unnoticed; no longer once something has been told.
        std::function<bool()> may_replay{};
    };
    struct Outcome {
        Result<Transcript> transcript;
        std::string served_by{};           ///< name of the model; empty where none was found
        std::optional<int> retry_after{};  ///< seconds, where trying again may help
    };
    using Done = std::function<void(Outcome)>;

    /// `done` is called exactly once, possibly before `begin` returns, and must not block. A client that goes away ends
    /// it. `context` must outlive it.
    static void begin(Context& context, const drogon::HttpRequestPtr& request, Order order, Done done);

private:
    Recognition(Context& context, drogon::HttpRequestPtr request, Order order, Done done)
        : context_(context), request_(std::move(request)), order_(std::move(order)), done_(std::move(done)) {}

    void find_model();
    void await_model(std::string lost = {});
    bool turn_to_fallback();
    void enqueue();
    void decode();
    bool replay(const Result<Transcript>& result);
    void answer(Result<Transcript> result, const RequestTimings& timings);
    [[nodiscard]] ServedModel& model() const { return *server_->model; }
    [[nodiscard]] std::optional<int> retry_after_seconds(const Error& error) const;

    Context& context_;
    const drogon::HttpRequestPtr request_;
    Order order_;
    const Done done_;
    bool replayed_ = false;
    Deadline patience_ends_{};  // of waiting for a model; once it is waited for
    EntryPtr asked_;            // whom the client named
    EntryPtr server_;           // who serves that now
    Lease lease_;
    std::optional<InFlight::Ticket> ticket_;
    Clients::Ticket share_;
};

}  // namespace hotmic::server
