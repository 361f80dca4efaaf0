/// A name that clients ask for, and whatever model serves it now: one manager that serves, at most one successor that
/// is being made ready beside it.
///
/// Promises
///  1. A swap has one commit point. Before it the old model serves, untouched; after it the new one does. There is no
///     moment without a serving model, except in `SwapStrategy::replace`, which says so.
///  2. A swap that fails leaves (replace: restores) the old model, and says why it failed.
///  3. A newer swap supersedes one that is still preparing; that one ends with `superseded`.
///  4. Requests under way finish on the model they began on, until its `drain_timeout`.
///
/// Thread safety: everything here may be called from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic {

/// What to load, with what, and how.
struct ModelPlan {
    ModelSpec spec{};                         ///< the model
    std::shared_ptr<Provider> provider{};     ///< isolated already, where that is wanted
    LifecycleOptions options{};               ///< its lifecycle
    std::string reason{};                     ///< why this provider and model, in words
    std::vector<Alternative> alternatives{};  ///< see ModelManager
};
/// "/models/ggml-base.en.bin", or "pocketsphinx's own".
[[nodiscard]] std::string describe_model(const ModelSpec& spec);

/// How a new model takes the place of the old one.
enum class SwapStrategy : std::uint8_t {
    automatic,  ///< beside where memory allows it, else replace
    beside,     ///< the new model is made ready while the old one serves
    replace,    ///< the old model is unloaded first: less memory, and nothing serves meanwhile
};
[[nodiscard]] std::string_view to_string(SwapStrategy strategy) noexcept;  ///< "auto", "beside", "replace"

/// How far a download is.
struct DownloadProgress {
    Bytes done{};                  ///< so far
    Bytes total{};                 ///< none: not known
    double bytes_per_second = 0;   ///< 0: not known yet
    std::optional<Seconds> eta{};  ///< until it is all here; empty: not known
};

/// A load, swap or download that somebody asked for.
struct Job {
    /// Superseded: a newer swap took its place.
    enum class State : std::uint8_t { running, succeeded, failed, superseded };
    std::string id{};              ///< "job-…"
    std::string kind{};            ///< "load", "swap", "unload", "warmup", "delete", "pull"
    std::string model{};           ///< the served name; of a pull, the catalogue's
    State state = State::running;  ///< how it stands
    std::string instance{};        ///< that was, or is being, made ready
    std::string step{};  ///< what is being done, in words: "loading", "warming up", "draining the old model", …
    std::optional<DownloadProgress> download{};     ///< of a pull
    std::optional<Error> error{};                   ///< why it failed, and what serves now
    std::chrono::system_clock::time_point began{};  ///< on the wall clock
    Seconds duration{};                             ///< so far, or in all
};
/// "running", "succeeded", "failed", "superseded"
[[nodiscard]] std::string_view to_string(Job::State state) noexcept;

/// The jobs of a server, newest last; ended ones are kept up to `capacity`.
class JobBook {
public:
    /// Keeps `capacity` jobs.
    explicit JobBook(std::size_t capacity = 256);
    ~JobBook();

    /// Notes a new job and gives it its id.
    [[nodiscard]] Job open(std::string kind, std::string model);
    /// Notes how a job stands now. What was noted before is kept beside it, as its versions.
    void update(const Job& job);
    /// Empty: there is no such job, or no longer.
    [[nodiscard]] std::optional<Job> find(std::string_view id) const;
    /// Oldest first.
    [[nodiscard]] std::vector<Job> all() const;
    /// All versions of a job after the first `seen`, oldest first. After one that has ended there are no others.
    [[nodiscard]] std::vector<Job> versions(std::string_view id, std::size_t seen) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// A name, the model that serves it, and at most one successor.
class ServedModel {
public:
    /// `broker`, `journal` and `jobs` must outlive this. Loads nothing yet.
    ServedModel(std::string name, ModelPlan plan, MemoryBroker& broker, Journal& journal, JobBook& jobs);
    /// Cancels what is being prepared and unloads without waiting for requests.
    ~ServedModel();
    ServedModel(const ServedModel&) = delete;
    ServedModel& operator=(const ServedModel&) = delete;

    // As ModelManager's functions of the same names, of the manager that serves.
    /// Asks for the model without waiting.
    void start();
    /// Forgets what stands in the way of another attempt.
    void forgive();
    /// Asks for the model and waits for it.
    [[nodiscard]] Result<void> initialize(Deadline deadline);
    /// A lease on what serves now.
    [[nodiscard]] Result<Lease> acquire();
    /// Calls `then` once, with a lease or with why there is none.
    void when_ready(Deadline deadline, std::function<void(Result<Lease>)> then, std::string lost = {});
    /// How it stands; never waits.
    [[nodiscard]] Health health() const;
    /// See ModelManager.
    [[nodiscard]] std::uint64_t come_round();
    /// Of the model that serves.
    [[nodiscard]] std::optional<WarmupReport> warmup_report() const;
    /// Of the model that served before, or of this one.
    [[nodiscard]] std::optional<UnloadReport> last_unload() const;
    /// Also ends a swap that is being prepared: a model that is to be gone does not come back with its successor.
    [[nodiscard]] Result<UnloadReport> unload(Deadline deadline, std::optional<std::chrono::milliseconds> drain = {});
    /// Also cancels a swap, and refuses later ones with shutting_down.
    [[nodiscard]] Result<UnloadReport> shutdown(Deadline deadline, std::optional<std::chrono::milliseconds> drain = {});

    /// Begins to replace the model by what `plan` says. Returns the job at once; it runs on a thread of its own.
    Job swap(ModelPlan plan, SwapStrategy strategy);
    /// Begins to load the model whatever stands in the way (see ModelManager::forgive).
    Job load();
    /// Begins to give the model back.
    Job release();
    /// Begins to make sure that the model is warm: loads it if need be; a READY one infers the warmup clip on every
    /// slot again, in the background, and fails if that does.
    Job warm();
    /// The model that is being prepared by a swap, while there is one.
    [[nodiscard]] std::optional<Health> successor() const;

    /// That clients ask for.
    [[nodiscard]] const std::string& name() const noexcept;
    /// Of the model that serves.
    [[nodiscard]] LifecycleOptions options() const;
    /// Of the model that serves (or was asked for last).
    [[nodiscard]] ModelPlan plan() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic
