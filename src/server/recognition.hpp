/// One recording on its way through a model, whatever API it came by: find the model, lease it, decode, recognize; once
/// more where the model dies on the way.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "asr/channels.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/voice.hpp"
#include "server/catalog.hpp"
#include "server/clients.hpp"
#include "server/context.hpp"
#include "server/in_flight.hpp"
#include "tracing/span.hpp"

namespace hotmic::server {

/// Begun by the socket's thread, decoded by a decoder, answered by a slot.
class Recognition : public std::enable_shared_from_this<Recognition> {
public:
    /// For whom.
    struct Asker {
        std::string id;              ///< in log lines
        std::string client{};        ///< whose requests are counted (Clients); empty: nobody's
        std::string key{};           ///< the name of its API key
        std::function<bool()> gone;  ///< nobody wants the answer any more; must not block
        bool waits = true;           ///< somebody does: false lets all others go first
        tracing::Span span{};        ///< of which this is a part
    };
    struct Order {
        std::string model;  ///< name or alias; empty: the default
        TranscribeOptions options{};
        std::optional<Endpointing> chunking{};  ///< recognize only where somebody speaks, each utterance by itself
        /// separate: one after the other, each a request of its own to the model; `on_segment` must be empty.
        Channels channels = Channels::mix;
        std::shared_ptr<const MediaBytes> media;
        Clients::Ticket share{};  ///< of what its key may have under way; given back before the answer
        /// Text as it becomes final, and the model that heard it; on the slot's thread, in order. May be empty.
        std::function<void(const Segment&, const std::string& served_by)> on_segment{};
        /// Whether a model that dies may be replaced unnoticed; no longer once something has been told.
        std::function<bool()> may_replay{};
    };
    struct Outcome {
        Result<Transcript> transcript;
        std::string served_by{};           ///< name of the model; empty where none was found
        std::optional<int> retry_after{};  ///< seconds, where trying again may help
        std::string audio_track{};         ///< which of several was heard, e.g. "2 of 3, deu"; empty where there is one
    };
    using Done = std::function<void(Outcome)>;

    /// `done` is called exactly once, possibly before `begin` returns, and must not block. Soon after `gone` is true it
    /// ends. `context` must outlive it.
    static void begin(Context& context, Asker asker, Order order, Done done);
    /// Whoever sent the request, which lives as long as this.
    static void begin(Context& context, const RequestPtr& request, Order order, Done done);

private:
    Recognition(Context& context, Asker asker, Order order, Done done)
        : context_(context), asker_(std::move(asker)), order_(std::move(order)), done_(std::move(done)) {}

    void find_model();
    void turn_away(Outcome why);
    void await_model(std::string lost = {});
    bool turn_to_fallback();
    void enqueue();
    void decode();
    bool replay(Result<Transcript>& result, const RequestTimings& timings);
    [[nodiscard]] bool go_on(Result<Transcript>& result, const RequestTimings& timings);
    void trace(const Result<Transcript>& result, const RequestTimings& timings) const;
    void answer(Result<Transcript> result, const RequestTimings& timings);
    [[nodiscard]] ServedModel& model() const { return *server_->model; }
    [[nodiscard]] std::optional<int> retry_after_seconds(const Error& error) const;

    Context& context_;
    const Asker asker_;
    Order order_;
    const Done done_;
    int losses_ = 0;            ///< models lost so far, working on this or not
    int deaths_ = 0;            ///< of those, working on it
    Deadline patience_ends_{};  // of waiting for a model; once it is waited for
    std::string audio_track_;
    int channels_ = 1;               // that are heard separately; known once the first is
    std::vector<Transcript> heard_;  // of those, in order; the next is the one to be heard
    RequestTimings timings_;         // of those, together
    EntryPtr asked_;                 // whom the client named
    EntryPtr server_;                // who serves that now
    Lease lease_;
    std::optional<InFlight::Ticket> ticket_;
    Clients::Ticket share_;
};

}  // namespace hotmic::server
