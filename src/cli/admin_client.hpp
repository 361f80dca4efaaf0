/// Talking to the admin API of a running server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/schema.hpp"
#include "hotmic/error.hpp"

namespace hotmic::cli {

/// Which server, and who asks.
struct AdminFlags {
    std::string server = "http://127.0.0.1:8090";
    std::string key{};  ///< server.admin_key; empty: none is presented
};

struct RemoteFailure {
    std::string code{};
    std::string message{};
    std::optional<std::string> remedy{};
};

/// The parts of a job that a person is told (GET /admin/jobs/{id}).
struct RemoteJob {
    std::string id{};
    std::string state{};  ///< running, succeeded, failed, superseded
    std::string step{};
    std::optional<std::string> instance{};
    std::optional<RemoteFailure> error{};
    double duration_ms = 0;
};

/// What a slot does.
struct RemoteSlot {
    std::string request{};  ///< empty: free
    double running_ms = 0;
    bool background = false;
    double audio_seconds = 0;                        ///< recognized so far
    std::optional<double> audio_total_seconds = {};  ///< where that is known
};

/// What a swap prepares.
struct RemoteSuccessor {
    std::string instance{};
    std::string state{};
};

/// The parts of a model that a person is told (GET /admin/models).
struct RemoteModel {
    std::string name{};
    std::vector<std::string> aliases{};
    bool required = true;
    std::string state{};
    bool ready = false;
    std::optional<std::string> provider{};
    std::optional<std::string> instance{};
    std::optional<std::string> reason{};
    std::uint64_t resident_bytes = 0;
    std::uint64_t requests = 0;
    std::optional<std::string> served_by{};
    std::optional<RemoteSuccessor> successor{};  ///< while a swap prepares it
    std::optional<std::string> warning{};
    double progress = 0;  ///< of reading the weights, 0 to 1
    int warmup_level = 0;
    std::optional<double> eta_seconds{};
    double load_time_ms = 0;
    double warmup_time_ms = 0;
    double mean_inference_ms = 0;
    std::size_t waiting = 0;
    std::vector<RemoteSlot> activity{};  ///< by slot
};

/// One step of a model's life (GET /admin/events).
struct RemoteEvent {
    std::uint64_t sequence = 0;
    std::string time{};
    std::string model{};
    std::string instance{};
    std::string from{};
    std::string to{};
    std::string cause{};
    double phase_ms = 0;
};

/// Whether requests are served (GET /readyz).
struct RemoteReadiness {
    struct Model {
        std::string model{};
        std::string state{};
        bool ready = false;
        std::optional<std::string> served_by{};
        std::string reason{};
        std::optional<double> eta_seconds{};
    };
    std::string status{};  ///< ok, not ready
    std::string reason{};
    std::vector<Model> models{};
};

/// One connection. Errors of every call: io_error where no hotmic answers; else the error that the server names, by its
/// code.
class AdminClient {
public:
    /// Errors: invalid_request when `server` is no URL. Connects to nothing yet.
    [[nodiscard]] static Result<AdminClient> make(const AdminFlags& flags);
    ~AdminClient();
    AdminClient(AdminClient&&) noexcept;
    AdminClient& operator=(AdminClient&&) noexcept;

    /// The body of the answer, as it came.
    [[nodiscard]] Result<std::string> models_json();
    [[nodiscard]] Result<std::vector<RemoteModel>> models();
    /// Needs no key.
    [[nodiscard]] Result<RemoteReadiness> readiness();
    /// Those after number `after`, oldest first.
    [[nodiscard]] Result<std::vector<RemoteEvent>> events(std::uint64_t after);
    /// `action`: load, unload, warmup, swap. `body`: keys of the model for a swap.
    [[nodiscard]] Result<RemoteJob> begin(const std::string& model, const std::string& action,
                                          const std::map<std::string, config::Value>& body = {});
    [[nodiscard]] Result<RemoteJob> job(const std::string& id);

private:
    struct Impl;
    explicit AdminClient(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// The error of a failed job, with the code that the server names.
[[nodiscard]] Error error_of(const RemoteJob& job);

}  // namespace hotmic::cli
