#include "worker/examiner.hpp"

#include <format>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "system/mutex.hpp"
#include "worker/channel.hpp"
#include "worker/confinement.hpp"
#include "worker/process.hpp"
#include "worker/protocol.hpp"

namespace hotmic::worker {

/// One process, asked one thing at a time.
class Examiner::Reading {
public:
    static Result<std::shared_ptr<Reading>> begin(const Options& options) {
        auto reading = std::make_shared<Reading>();
        reading->confinement_ = options.confinement;
        auto* raw = reading.get();
        auto process = WorkerProcess::spawn(
            options.executable, "examiner",
            {[raw](const Frame& frame) { return raw->on_message(frame); }, [raw](bool) { raw->on_end(); }}, {},
            {.command = "examiner", .environment = engine_environment(options.confinement.variables)});
        if (!process) return std::unexpected(std::move(process).error());
        reading->process_ = *std::move(process);
        return reading;
    }

    Answer ask(const ModelSpec& spec, std::chrono::milliseconds patience) {
        {
            const Lock lock(mutex_);
            answer_.reset();
        }
        // Where it cannot be sent, the process has ended, and that is waited for.
        (void)process_->send(Kind::examine, encode(load_of(spec, "examiner", confinement_)));
        Lock lock(mutex_);
        const bool over =
            changed_.wait_for(lock, patience, [this] HOTMIC_REQUIRES(mutex_) { return answer_ || ended_; });
        if (answer_) return *std::exchange(answer_, std::nullopt);
        const bool stopped = stopped_;
        lock.unlock();
        if (stopped) return both({ErrorCode::load_cancelled, "the server is shutting down"});
        if (!over) {
            spent_ = true;
            process_->kill();
            return both({ErrorCode::model_file_unreadable,
                         std::format("{} could not be read within {} ms", spec.path.string(), patience.count()),
                         "check the disk that it is on"});
        }
        return both({ErrorCode::model_corrupt,
                     std::format("{}: {}", spec.path.string(), process_->exit_report("while it read what the file is")),
                     "get the file again from where it came from"});
    }

    void stop() {
        {
            const Lock lock(mutex_);
            stopped_ = true;
        }
        process_->kill();
    }
    [[nodiscard]] bool usable() const { return !spent_ && !process_->ended(); }

private:
    static Answer both(const Error& error) { return {std::unexpected(error), std::unexpected(error)}; }

    bool on_message(const Frame& frame) {
        const Lock lock(mutex_);
        if (frame.kind == Kind::examined) {
            if (auto found = decode<Examined>(frame)) answer_ = answer_of(*std::move(found));
        } else if (frame.kind == Kind::failed) {
            if (const auto error = decode<Error>(frame)) answer_ = both(*error);
        }
        changed_.notify_all();
        return answer_.has_value();
    }

    static Answer answer_of(Examined found) {
        Answer answer{std::unexpected(found.why_not.value_or(Error{})),
                      std::unexpected(found.why_no_estimate.value_or(Error{}))};
        if (found.info) answer.info = *std::move(found.info);
        if (found.estimate) answer.estimate = *found.estimate;
        return answer;
    }

    void on_end() {
        const Lock lock(mutex_);
        ended_ = true;
        changed_.notify_all();
    }

    Mutex mutex_;
    Condition changed_;
    std::optional<Answer> answer_ HOTMIC_GUARDED_BY(mutex_);
    bool ended_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool stopped_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool spent_ = false;                      // whoever asks
    Confinement confinement_{};               // set by `begin`, as is the next
    std::unique_ptr<WorkerProcess> process_;  // last: its reader uses everything above
};

Examiner::Session::Session(Examiner& examiner) : examiner_(examiner) {
    const Lock lock(examiner_.mutex_);
    ++examiner_.sessions_;
}

Examiner::Session::~Session() {
    std::shared_ptr<Reading> over;  // ended without the lock
    const Lock lock(examiner_.mutex_);
    if (--examiner_.sessions_ == 0) over = std::exchange(examiner_.kept_, nullptr);
}

Examiner::Examiner(Options options) : options_(std::move(options)) {}
Examiner::~Examiner() = default;

Examiner::Answer Examiner::ask(const ModelSpec& spec) {
    auto reading = begin();
    if (!reading) return {std::unexpected(reading.error()), std::unexpected(reading.error())};
    auto answer = (*reading)->ask(spec, options_.patience);
    end(*std::move(reading));
    return answer;
}

Result<std::shared_ptr<Examiner::Reading>> Examiner::begin() {
    {
        const Lock lock(mutex_);
        if (stopped_) return fail(ErrorCode::load_cancelled, "the server is shutting down");
        if (auto kept = std::exchange(kept_, nullptr); kept && kept->usable()) {
            under_way_.insert(kept);
            return kept;
        }
    }
    auto reading = Reading::begin(options_);
    if (!reading) return reading;
    const Lock lock(mutex_);
    under_way_.insert(*reading);
    if (stopped_) (*reading)->stop();
    return reading;
}

void Examiner::end(std::shared_ptr<Reading> reading) {
    std::shared_ptr<Reading> over;
    const Lock lock(mutex_);
    under_way_.erase(reading);
    if (sessions_ > 0 && !kept_ && !stopped_ && reading->usable())
        kept_ = std::move(reading);
    else
        over = std::move(reading);
}

void Examiner::stop() {
    std::set<std::shared_ptr<Reading>> stopping;
    std::shared_ptr<Reading> over;
    {
        const Lock lock(mutex_);
        stopped_ = true;
        stopping = under_way_;
        over = std::exchange(kept_, nullptr);
    }
    for (const auto& each : stopping) each->stop();
}

namespace {

class ExaminedProvider final : public Provider {
public:
    ExaminedProvider(std::shared_ptr<Examiner> examiner, std::shared_ptr<Provider> inner)
        : examiner_(std::move(examiner)), inner_(std::move(inner)) {}

    std::string_view name() const noexcept override { return inner_->name(); }
    Availability availability() const override { return inner_->availability(); }
    Capabilities capabilities() const override { return inner_->capabilities(); }

    Result<ModelFileInfo> inspect(const ModelSpec& spec) const override {
        if (spec.path.empty()) return inner_->inspect(spec);
        auto answer = examiner_->ask(mine(spec));
        const Lock lock(mutex_);
        last_.emplace(spec, std::move(answer.estimate));
        return std::move(answer.info);
    }
    /// Mostly asked right after `inspect`, whose process has told it, too.
    Result<ResourceEstimate> estimate(const ModelSpec& spec) const override {
        if (spec.path.empty()) return inner_->estimate(spec);
        {
            const Lock lock(mutex_);
            if (last_ && last_->first == spec) return std::exchange(last_, std::nullopt)->second;
        }
        return examiner_->ask(mine(spec)).estimate;
    }

    Result<void> prepare(const ModelSpec& spec, LoadProgress& progress, std::stop_token stop) override {
        return inner_->prepare(spec, progress, std::move(stop));
    }
    Result<std::unique_ptr<Model>> load(const ModelSpec& spec, LoadProgress& progress, std::stop_token stop) override {
        return inner_->load(spec, progress, std::move(stop));
    }

private:
    [[nodiscard]] ModelSpec mine(ModelSpec spec) const {
        spec.provider = inner_->name();
        return spec;
    }

    const std::shared_ptr<Examiner> examiner_;
    const std::shared_ptr<Provider> inner_;
    mutable Mutex mutex_;
    mutable std::optional<std::pair<ModelSpec, Result<ResourceEstimate>>> last_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace

std::shared_ptr<Provider> examined_by(std::shared_ptr<Examiner> examiner, std::shared_ptr<Provider> inner) {
    return std::make_shared<ExaminedProvider>(std::move(examiner), std::move(inner));
}

ProviderRegistry examined_by(const std::shared_ptr<Examiner>& examiner, const ProviderRegistry& inner) {
    std::vector<std::shared_ptr<Provider>> providers;
    for (const auto& each : inner.all()) providers.push_back(examined_by(examiner, each));
    return ProviderRegistry(std::move(providers));
}

}  // namespace hotmic::worker
