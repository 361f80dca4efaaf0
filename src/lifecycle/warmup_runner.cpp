#include "lifecycle/warmup_runner.hpp"

#include <algorithm>
#include <cmath>
#include <format>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "asr/formats.hpp"
#include "lifecycle/warmup_clip.hpp"

namespace hotmic {
namespace {

using std::chrono::milliseconds;
using EncodedAudio = std::shared_ptr<const std::vector<std::byte>>;

double ms_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Audio of one length, encoded as a client would send it.
struct Shape {
    double seconds = 0;
    EncodedAudio encoded;
};

Result<Shape> shape_of(double seconds, const audio::Clip& clip) {
    auto samples = audio::clip_of_length(seconds, clip);
    if (!samples) return std::unexpected(std::move(samples).error());
    return Shape{seconds, audio::encode_wav(*samples)};
}

std::optional<std::string> malformation(const Transcript& transcript) {
    const auto finite = [](std::initializer_list<double> numbers) {
        return std::ranges::all_of(numbers, [](double number) { return std::isfinite(number); });
    };
    double last_start = 0;
    for (const auto& segment : transcript.segments) {
        if (!finite({segment.start, segment.end, segment.avg_logprob, segment.no_speech_prob, segment.temperature})) {
            return "a segment carries numbers that are not finite";
        }
        if (segment.end < segment.start || segment.start < last_start) return "segments are not in order of time";
        last_start = segment.start;
        for (const auto& word : segment.words) {
            if (!finite({word.start, word.end, word.probability})) return "a word carries numbers that are not finite";
        }
    }
    return std::nullopt;
}

/// Latencies of one level, gathered from all slots.
class Measurements {
public:
    void add(double latency_ms, double audio_seconds) {
        const std::scoped_lock lock(mutex_);
        latencies_.push_back(latency_ms);
        factors_.push_back(latency_ms / 1000 / audio_seconds);
    }
    [[nodiscard]] int count() const {
        const std::scoped_lock lock(mutex_);
        return static_cast<int>(latencies_.size());
    }
    [[nodiscard]] double mean_latency() const {
        const std::scoped_lock lock(mutex_);
        double sum = 0;
        for (const double latency : latencies_) sum += latency;
        return latencies_.empty() ? 0 : sum / static_cast<double>(latencies_.size());
    }
    void write_to(LevelReport& report) const {
        const std::scoped_lock lock(mutex_);
        report.inferences = static_cast<int>(latencies_.size());
        if (latencies_.empty()) return;
        report.first_ms = latencies_.front();
        report.last_ms = latencies_.back();
        report.p50_ms = quantile(latencies_, 0.5);
        report.p95_ms = quantile(latencies_, 0.95);
        report.real_time_factor = quantile(factors_, 0.5);
    }
    [[nodiscard]] double factor_p95() const {
        const std::scoped_lock lock(mutex_);
        return quantile(factors_, 0.95);
    }

private:
    mutable std::mutex mutex_;
    std::vector<double> latencies_;
    std::vector<double> factors_;
};

class Warmup {
public:
    Warmup(const Lease& lease, const WarmupOptions& options, audio::Clip clip, std::stop_token stop,
           const std::function<void(const WarmupProgress&)>& on_progress)
        : lease_(lease),
          options_(options),
          clip_(std::move(clip)),
          stop_(std::move(stop)),
          on_progress_(on_progress),
          reference_{clip_.seconds, clip_.encoded} {}

    Result<WarmupReport> run() {
        using Level = Result<void> (Warmup::*)(LevelReport&);
        static constexpr std::array<std::pair<const char*, Level>, 3> kLevels{
            {{"validate", &Warmup::validate}, {"single", &Warmup::single}, {"stress", &Warmup::stress}}};

        report_.level = options_.level;
        report_.clip_seconds = clip_.seconds;
        for (int level = 1; level <= options_.level; ++level) {
            const auto& [name, body] = kLevels.at(static_cast<std::size_t>(level - 1));
            measured_.emplace();
            planned_ = 1;
            level_ = level;
            LevelReport level_report{.level = level, .name = name};
            const auto began = Clock::now();
            if (auto done = (this->*body)(level_report); !done)
                return std::unexpected(explain(std::move(done).error()));
            measured_->write_to(level_report);
            level_report.duration_ms = ms_since(began);
            report_.real_time_factor_p95 = measured_->factor_p95();
            report_.latency_p95_ms = level_report.p95_ms;
            report_.levels.push_back(std::move(level_report));
        }
        if (auto fast = check_target(); !fast) {
            if (!options_.ready_if.or_degraded) return std::unexpected(std::move(fast).error());
            report_.shortfall = std::move(fast).error().message;
        }
        report_.complete = true;
        report_.duration_ms = ms_since(start_);
        return std::move(report_);
    }

private:
    /// Level 1: the model runs, and hears what was said.
    Result<void> validate(LevelReport&) {
        double latency = 0;
        auto transcript = infer(reference_, {}, std::nullopt, &latency);
        if (!transcript) return std::unexpected(std::move(transcript).error());
        first_reference_ms_ = report_.steady_ms = latency;
        report_.transcript = transcript->text;
        // A clip of somebody's own is in whatever language the model is for.
        const bool covered =
            !clip_.text.empty() &&
            (clip_.language.empty() || std::ranges::contains(lease_.model().capabilities.languages, clip_.language));
        if (covered) report_.word_error_rate = word_error_rate(clip_.text, transcript->text);
        if (options_.validate == Validate::off) return {};
        if (const auto fault = malformation(*transcript)) return fail(ErrorCode::warmup_failed, *fault);
        if (options_.validate == Validate::transcribes && covered &&
            *report_.word_error_rate > options_.max_word_error_rate) {
            return fail(
                ErrorCode::warmup_failed,
                std::format("the clip says \"{}\" and the model heard \"{}\" ({:.0f} % of the words wrong, "
                            "at most {:.0f} % are accepted)",
                            clip_.text, transcript->text, 100 * *report_.word_error_rate,
                            100 * options_.max_word_error_rate),
                "check the model file, or set validate = \"runs\" for a model that does not know general English");
        }
        return {};
    }

    /// Level 2: on every slot, each path and shape once, smallest first; then until the minimum duration; then the
    /// reference again, which shows what the first request was spared.
    Result<void> single(LevelReport& level) {
        const auto began = Clock::now();
        const auto shapes = make_shapes();
        if (!shapes) return std::unexpected(shapes.error());
        const auto& cases = lease_.model().warmup_cases;
        planned_ = slots() * static_cast<int>(cases.size() + shapes->size()) + kSteadyRuns;

        auto covered = on_every_slot([&](int slot) -> Result<void> {
            for (const auto& path : cases) {
                if (over_budget()) {
                    skip(level, path.name, "budget");
                    continue;
                }
                auto done = infer(reference_, path.options, slot);
                if (!done && tolerable(done.error(), path.required)) {
                    skip(level, path.name, done.error().message);
                } else if (!done) {
                    return fail(done.error().code, std::format("{}: {}", path.name, done.error().message),
                                done.error().remedy);
                }
            }
            for (const auto& shape : *shapes) {
                const auto name = std::format("{:g} s", shape.seconds);
                const bool must =
                    slot == 0 && &shape == &shapes->back();  // one full-length inference whatever the budget
                if (!must && over_budget()) {
                    skip(level, name, "budget");
                    continue;
                }
                auto done = infer(shape, {}, slot);
                if (!done && tolerable(done.error(), &shape == &shapes->front())) {
                    skip(level, name, done.error().message);
                    break;  // larger ones would not fit either
                }
                if (!done) return std::unexpected(std::move(done).error());
            }
            return {};
        });
        if (!covered) return covered;
        for (int slot = 0; ms_since(began) < static_cast<double>(options_.level2_min_duration.count());
             slot = (slot + 1) % slots()) {
            if (auto done = infer(reference_, {}, slot); !done) return std::unexpected(std::move(done).error());
        }
        return measure_steady();
    }

    /// Level 3: rounds in which every slot takes every shape at once, until the rounds' mean latency has converged.
    Result<void> stress(LevelReport& level) {
        const auto began = Clock::now();
        const auto shapes = make_shapes();
        if (!shapes) return std::unexpected(shapes.error());
        std::vector<double> rounds;
        level.converged = false;
        const auto enough = [&] {
            return std::ssize(rounds) >= options_.level3_iterations &&
                   ms_since(began) >= static_cast<double>(options_.level3_min_duration.count());
        };
        while (!(enough() && (level.converged = has_converged(rounds)).value())) {
            if (!rounds.empty() && over_budget()) {
                skip(level, std::format("rounds after {}", rounds.size()), "budget");
                break;
            }
            const int before = measured_->count();
            planned_ =
                before + slots() * static_cast<int>(shapes->size()) *
                             std::max(1, std::max(options_.level3_iterations, 6) - static_cast<int>(rounds.size()));
            const auto round_began = Clock::now();
            auto done = on_every_slot([&](int slot) -> Result<void> {
                for (std::size_t i = 0; i < shapes->size(); ++i) {
                    // Each slot begins elsewhere, so that different shapes run beside each other.
                    const auto& shape = (*shapes)[(i + static_cast<std::size_t>(slot)) % shapes->size()];
                    if (auto one = infer(shape, {}, slot); !one) return std::unexpected(std::move(one).error());
                }
                return {};
            });
            if (!done) return done;
            rounds.push_back(ms_since(round_began));
        }
        return measure_steady();
    }

    /// The reference request a few times on an otherwise idle model: its median is the steady state.
    Result<void> measure_steady() {
        std::vector<double> latencies;
        for (int i = 0; i < kSteadyRuns && (i == 0 || !over_budget()); ++i) {
            double latency = 0;
            if (auto done = infer(reference_, {}, 0, &latency); !done) return std::unexpected(std::move(done).error());
            latencies.push_back(latency);
        }
        report_.steady_ms = quantile(latencies, 0.5);
        report_.cold_penalty = first_reference_ms_ / std::max(report_.steady_ms, 1e-3);
        return {};
    }

    /// One request, exactly as a user's: decode the media, wait for a slot, recognize, format.
    Result<Transcript> infer(const Shape& shape, TranscribeOptions options, std::optional<int> slot,
                             double* latency_ms = nullptr) {
        const auto began = Clock::now();
        auto source = open_media(shape.encoded);
        if (!source) return std::unexpected(std::move(source).error());
        Request request{
            .audio = *std::move(source), .options = std::move(options), .stop = stop_, .id = "warmup", .slot = slot};
        auto transcript = lease_.transcribe(std::move(request));
        if (!transcript) return transcript;
        (void)render(*transcript, ResponseFormat::verbose_json, {});
        const double latency = ms_since(began);
        measured_->add(latency, shape.seconds);
        if (latency_ms != nullptr) *latency_ms = latency;
        report_progress();
        return transcript;
    }

    Result<void> on_every_slot(const std::function<Result<void>(int)>& work) {
        std::vector<Result<void>> results(static_cast<std::size_t>(slots()));
        {
            std::vector<std::jthread> threads;
            threads.reserve(results.size());
            for (int slot = 0; slot < slots(); ++slot) {
                threads.emplace_back([&, slot] { results[static_cast<std::size_t>(slot)] = work(slot); });
            }
        }
        for (auto& result : results) {
            if (!result) return std::move(result);
        }
        return {};
    }

    Result<std::vector<Shape>> make_shapes() const {
        std::vector<Shape> shapes;
        shapes.reserve(lease_.model().warmup_lengths.size() + 1);
        for (const double seconds : lease_.model().warmup_lengths) {
            auto shape = shape_of(seconds, clip_);
            if (!shape) return std::unexpected(std::move(shape).error());
            shapes.push_back(*std::move(shape));
        }
        if (shapes.empty()) shapes.push_back(reference_);
        std::ranges::sort(shapes, {}, &Shape::seconds);
        return shapes;
    }

    Result<void> check_target() const {
        const auto& target = options_.ready_if;
        if (target.rtf_p95_below && report_.real_time_factor_p95 >= *target.rtf_p95_below) {
            return fail(
                ErrorCode::too_slow,
                std::format("warm, but the p95 real-time factor is {:.3f} and ready_if asks for less than {:.3f}",
                            report_.real_time_factor_p95, *target.rtf_p95_below),
                "use a smaller model or more threads, or relax ready_if.rtf_p95_below");
        }
        if (target.latency_p95_below &&
            report_.latency_p95_ms >= static_cast<double>(target.latency_p95_below->count())) {
            return fail(ErrorCode::too_slow,
                        std::format("warm, but the p95 latency is {:.0f} ms and ready_if asks for less than {} ms",
                                    report_.latency_p95_ms, target.latency_p95_below->count()),
                        "use a smaller model or more threads, or relax ready_if.latency_p95_below_ms");
        }
        return {};
    }

    /// What a failed inference means for the load as a whole.
    [[nodiscard]] Error explain(Error error) const {
        switch (error.code) {
            case ErrorCode::model_lost:
                error.code = ErrorCode::worker_crashed;
                return error;
            case ErrorCode::cancelled:
            case ErrorCode::model_unloaded:
                error.code = ErrorCode::load_cancelled;
                return error;
            default:
                break;
        }
        error.message = std::format("warmup level {} failed: {}", level_, error.message);
        error.code = ErrorCode::warmup_failed;
        return error;
    }

    static bool tolerable(const Error& error, bool required) {
        return !required && error.code == ErrorCode::insufficient_memory;
    }

    void skip(LevelReport& level, const std::string& what, const std::string& why) {
        const std::scoped_lock lock(mutex_);
        auto line = std::format("{}: {}", what, why);
        if (!std::ranges::contains(level.skipped, line)) level.skipped.push_back(std::move(line));
        if (why == "budget")
            report_.budget_note =
                std::format("the budget of {} ms ended level {} early", options_.budget.count(), level_);
    }

    void report_progress() {
        if (!on_progress_) return;
        const int done = measured_->count();
        const int left = std::max(0, planned_ - done);
        const double remaining = measured_->mean_latency() * left / (level_ == 1 ? 1 : slots());
        on_progress_({level_, done, milliseconds(static_cast<std::int64_t>(remaining))});
    }

    [[nodiscard]] bool over_budget() const { return Clock::now() >= start_ + options_.budget; }
    [[nodiscard]] int slots() const { return lease_.model().slots; }

    static constexpr int kSteadyRuns = 3;

    const Lease& lease_;
    const WarmupOptions& options_;
    const audio::Clip clip_;
    const std::stop_token stop_;
    const std::function<void(const WarmupProgress&)>& on_progress_;
    const Shape reference_;
    const Clock::time_point start_ = Clock::now();

    int level_ = 0;
    std::atomic<int> planned_{1};
    std::optional<Measurements> measured_;
    double first_reference_ms_ = 0;
    std::mutex mutex_;  // guards what slots write to the report
    WarmupReport report_;
};

}  // namespace

Result<WarmupReport> run_warmup(const Lease& lease, const WarmupOptions& options, std::stop_token stop,
                                const std::function<void(const WarmupProgress&)>& on_progress,
                                const std::function<std::uint64_t()>& resident_bytes) {
    auto clip = warmup_clip(options);
    if (!clip) return std::unexpected(std::move(clip).error());
    const auto before = resident_bytes();
    auto report = Warmup(lease, options, *std::move(clip), std::move(stop), on_progress).run();
    if (report) {
        report->resident_before_bytes = before;
        report->resident_after_bytes = resident_bytes();
    }
    return report;
}

}  // namespace hotmic
