#include "lifecycle/warmup_runner.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <format>
#include <functional>
#include <iterator>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "asr/formats.hpp"
#include "audio/clip.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"
#include "lifecycle/measurements.hpp"
#include "lifecycle/warmup_clip.hpp"
#include "lifecycle/warmup_shapes.hpp"
#include "lifecycle/warmup_streams.hpp"
#include "lifecycle/warmup_verdicts.hpp"
#include "system/mutex.hpp"

namespace hotmic {
namespace {

using std::chrono::milliseconds;

Seconds since(Clock::time_point start) {
    return Clock::now() - start;
}

class Warmup {
public:
    Warmup(const Lease& lease, const WarmupOptions& options, audio::Clip clip, std::stop_token stop,
           const std::function<void(const WarmupProgress&)>& on_progress, WarmupFindings& findings,
           MediaDecoder& decoder)
        : decoder_(decoder),
          lease_(lease),
          options_(options),
          clip_(std::move(clip)),
          stop_(std::move(stop)),
          on_progress_(on_progress),
          findings_(findings),
          reference_{clip_.length, clip_.encoded} {
        findings_.truth = Truth(options.validate, is_covered() ? clip_.text : std::string{},
                                options.max_word_error_rate, lease.model().backend);
    }

    Result<WarmupReport> run() {
        using Level = Result<void> (Warmup::*)(LevelReport&);
        static constexpr std::array<std::pair<const char*, Level>, 3> kLevels{
            {{"validate", &Warmup::validate}, {"single", &Warmup::single}, {"stress", &Warmup::stress}}};

        report_.level = options_.level;
        report_.clip_length = clip_.length;
        for (int level = 1; level <= options_.level; ++level) {
            const auto& [name, body] = kLevels.at(static_cast<std::size_t>(level - 1));
            measured_.emplace();
            planned_ = 1;
            level_ = level;
            LevelReport level_report{.level = level, .name = name};
            const auto began = Clock::now();
            if (auto done = (this->*body)(level_report); !done)
                return std::unexpected(explain(std::move(done).error(), level_));
            measured_->write_to(level_report);
            level_report.duration = since(began);
            report_.real_time_factor_p95 = measured_->factor_p95();
            report_.latency_p95 = measured_->latency_p95();
            report_.levels.push_back(std::move(level_report));
        }
        if (auto fast = check_target(report_, options_); !fast) {
            if (!options_.ready_if.or_degraded) return std::unexpected(std::move(fast).error());
            report_.shortfall = std::move(fast).error().message;
        }
        if (report_.streams && report_.shortfall.empty()) report_.shortfall = report_.streams->shortfall;
        calibrate();
        report_.complete = true;
        report_.duration = since(start_);
        return std::move(report_);
    }

private:
    /// Level 1: the model runs, and hears what was said.
    Result<void> validate(LevelReport&) {
        Seconds latency{};
        auto transcript = infer(reference_, {}, std::nullopt, true, &latency);
        if (!transcript) return std::unexpected(std::move(transcript).error());
        report_.steady = latency;
        reference_runs_.push_back(latency);
        report_.transcript = transcript->text;
        const bool covered = is_covered();
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
        return computes_on_cpu() ? Result<void>{} : ask_again();
    }

    /// Drivers of other devices were seen to answer rightly twice and wrongly from then on.
    Result<void> ask_again() {
        planned_ = kAskedOfDevices;
        while (std::ssize(reference_runs_) < kAskedOfDevices) {
            Seconds latency{};
            if (auto done = infer(reference_, {}, std::nullopt, false, &latency); !done)
                return std::unexpected(std::move(done).error());
            reference_runs_.push_back(latency);
        }
        find_steady();
        return {};
    }

    [[nodiscard]] bool computes_on_cpu() const { return lease_.model().backend.starts_with("CPU"); }

    /// A clip of somebody's own is in whatever language the model is for.
    [[nodiscard]] bool is_covered() const {
        return !clip_.text.empty() &&
               (clip_.language.empty() || std::ranges::contains(lease_.model().capabilities.languages, clip_.language));
    }

    /// Level 2: on every slot, each path and shape once, smallest first; then until the minimum duration; then the
    /// reference again, which shows what the first request was spared.
    Result<void> single(LevelReport& level) {
        const auto began = Clock::now();
        const auto shapes = shapes_of(lease_.model().warmup_lengths, clip_);
        if (!shapes) return std::unexpected(shapes.error());
        const auto& cases = lease_.model().warmup_cases;
        planned_ = slots() * static_cast<int>(cases.size() + shapes->size()) + kFewest;

        auto covered = on_every_slot([&](int slot) -> Result<void> {
            for (const auto& path : cases) {
                if (over_budget()) {
                    skip(level, path.name, "budget");
                    continue;
                }
                auto done = infer(reference_, path.options, slot, true);
                if (!done && tolerable(done.error(), path.required)) {
                    skip(level, path.name, done.error().message);
                } else if (!done) {
                    return fail(done.error().code, std::format("{}: {}", path.name, done.error().message),
                                done.error().remedy);
                }
            }
            for (const auto& shape : *shapes) {
                const auto name = std::format("{:g} s", shape.length.count());
                const bool must =
                    slot == 0 && &shape == &shapes->back();  // one full-length inference whatever the budget
                if (!must && over_budget()) {
                    skip(level, name, "budget");
                    continue;
                }
                auto done = infer(shape, kLengthOnly, slot, true);
                if (!done && tolerable(done.error(), &shape == &shapes->front())) {
                    skip(level, name, done.error().message);
                    break;  // larger ones would not fit either
                }
                if (!done) return std::unexpected(std::move(done).error());
            }
            return {};
        });
        if (!covered) return covered;
        for (int slot = 0; since(began) < options_.level2_min_duration; slot = (slot + 1) % slots()) {
            if (auto done = infer(reference_, {}, slot, false); !done) return std::unexpected(std::move(done).error());
        }
        level.converged = false;
        if (auto steady = measure_steady(level); !steady || !streams_exactly()) return steady;
        auto steps = stream_clip(lease_, clip_, 0, stop_);
        if (!steps) return std::unexpected(std::move(steps).error());
        report_.streams = report_of_one(*std::move(steps), lease_.model().step);
        return {};
    }

    [[nodiscard]] bool streams_exactly() const {
        return lease_.model().capabilities.exact_streams && lease_.model().step > Seconds::zero();
    }

    /// Level 3: rounds in which every slot takes every shape at once, until nothing is left to warm.
    Result<void> stress(LevelReport& level) {
        const auto began = Clock::now();
        const auto shapes = shapes_of(lease_.model().warmup_lengths, clip_);
        if (!shapes) return std::unexpected(shapes.error());
        std::vector<Seconds> rounds;
        level.converged = false;
        const auto enough = [&] {
            return std::ssize(rounds) >= options_.level3_iterations && since(began) >= options_.level3_min_duration;
        };
        while (!(enough() && has_settled(rounds))) {
            if (!rounds.empty() && over_budget()) {
                skip(level, std::format("rounds after {}", rounds.size()), "budget");
                break;
            }
            const int before = measured_->count();
            planned_ = before +
                       slots() * static_cast<int>(shapes->size()) *
                           std::max(1, std::max(options_.level3_iterations, kFewest) - static_cast<int>(rounds.size()));
            const auto round_began = Clock::now();
            auto done = on_every_slot([&](int slot) -> Result<void> {
                for (std::size_t i = 0; i < shapes->size(); ++i) {
                    // Each slot begins elsewhere, so that different shapes run beside each other.
                    const auto& shape = (*shapes)[(i + static_cast<std::size_t>(slot)) % shapes->size()];
                    if (auto one = infer(shape, kLengthOnly, slot, false); !one)
                        return std::unexpected(std::move(one).error());
                }
                return {};
            });
            if (!done) return done;
            rounds.push_back(since(round_began));
        }
        level.converged = has_converged(rounds) || agree(rounds);
        return streams_exactly() ? stream_on_every_slot() : Result<void>{};
    }

    Result<void> stream_on_every_slot() {
        std::vector<std::vector<Seconds>> each(static_cast<std::size_t>(slots()));
        auto done = on_every_slot([&](int slot) -> Result<void> {
            auto steps = stream_clip(lease_, clip_, slot, stop_);
            if (!steps) return std::unexpected(std::move(steps).error());
            each[static_cast<std::size_t>(slot)] = *std::move(steps);
            return {};
        });
        if (!done) return done;
        std::vector<Seconds> steps;
        for (const auto& one : each) steps.append_range(one);
        add_steps(*report_.streams, steps);
        return {};
    }

    /// The reference request again and again on an otherwise idle model, until it is no faster than before: where its
    /// first run was no slower, that takes two. The median without the first is the steady state.
    Result<void> measure_steady(LevelReport& level) {
        auto& series = reference_runs_;
        do {
            Seconds latency{};
            if (auto done = infer(reference_, {}, 0, false, &latency); !done)
                return std::unexpected(std::move(done).error());
            series.push_back(latency);
        } while (!has_settled(series) && std::ssize(series) < kMost && !over_budget());
        level.converged = has_converged(series) || agree(series);
        find_steady();
        return {};
    }

    /// From at least two runs of the reference request.
    void find_steady() {
        report_.steady = quantile(std::vector(reference_runs_.begin() + 1, reference_runs_.end()), 0.5);
        report_.cold_penalty = reference_runs_.front() / std::max(report_.steady, Seconds(1e-6));
    }

    /// The last two, where there are no more: they do not differ by more than a tenth.
    static bool agree(const std::vector<Seconds>& series) {
        if (series.size() < 2) return false;
        const auto [least, most] = std::minmax(series[series.size() - 2], series.back());
        return most <= 1.1 * least;
    }

    /// One request, exactly as a user's: decode the media, wait for a slot, recognize, format.
    /// `cold`: the first of its kind on its slot. Errors: those of the lease; disqualified.
    Result<Transcript> infer(const WarmupShape& shape, const TranscribeOptions& options, std::optional<int> slot,
                             bool cold, Seconds* latency = nullptr) {
        const auto began = Clock::now();
        auto source = decoder_.open(media_in_memory(shape.encoded), audio::clip_limits(), {});
        if (!source) return std::unexpected(std::move(source).error());
        const bool is_plain = options == TranscribeOptions{} || options == kLengthOnly;
        Request request{.audio = *std::move(source), .options = options, .stop = stop_, .id = "warmup", .slot = slot};
        RequestTimings timings;
        auto transcript = lease_.transcribe(std::move(request), &timings);
        if (!transcript) return transcript;
        note(shape, is_plain, timings.inference);
        (void)render(*transcript, ResponseFormat::verbose_json, {});
        const auto took = since(began);
        measured_->add(took, shape.length, cold);
        spdlog::debug("warmup inference level={} slot={} seconds={:g} plain={} ms={:.0f}", level_, timings.slot,
                      shape.length.count(), is_plain, to_ms(took));
        if (latency != nullptr) *latency = took;
        report_progress();
        if (&shape == &reference_) {
            const Lock lock(mutex_);
            if (auto why = findings_.truth.judge(*transcript, options)) return std::unexpected(*std::move(why));
        }
        return transcript;
    }

    /// For the calibration: what plain requests take, and how much more the dearest path does. The very first inference
    /// says little of what is usual, unless it is the only one.
    void note(const WarmupShape& shape, bool plain, Seconds took) {
        const Lock lock(mutex_);
        if (level_ == 1 && options_.level > 1) return;
        if (plain)
            plain_.emplace_back(shape.length, took);
        else
            dearest_path_ = std::max(dearest_path_, took);
        if (plain && &shape == &reference_) plain_reference_ = std::max(plain_reference_, took);
    }

    void calibrate() {
        const Lock lock(mutex_);
        const double dearer =
            plain_reference_ > Seconds::zero() ? std::max(1.0, dearest_path_ / plain_reference_) : 1.0;
        for (const auto& [audio, took] : plain_) findings_.calibration.note(audio, took * dearer);
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

    static bool tolerable(const Error& error, bool required) {
        return !required && error.code == ErrorCode::insufficient_memory;
    }

    void skip(LevelReport& level, const std::string& what, const std::string& why) {
        const Lock lock(mutex_);
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
        const auto remaining = measured_->mean_latency() * left / (level_ == 1 ? 1 : slots());
        on_progress_({level_, done, std::chrono::floor<milliseconds>(remaining)});
    }

    [[nodiscard]] bool over_budget() const { return Clock::now() >= start_ + options_.budget; }
    [[nodiscard]] int slots() const { return lease_.model().slots; }

    /// A clip that is repeated to be long looks like an engine in a loop; what is asked of a length is its time.
    static inline const TranscribeOptions kLengthOnly{.temperature_fallback = false};

    /// Runs of the reference, its first included: where nothing had to be warmed; and where nothing settles.
    static constexpr int kFewest = 3;
    static constexpr int kMost = 8;
    /// Runs of the reference at level 1 on what is no CPU.
    static constexpr int kAskedOfDevices = 5;

    MediaDecoder& decoder_;
    const Lease& lease_;
    const WarmupOptions& options_;
    const audio::Clip clip_;
    const std::stop_token stop_;
    const std::function<void(const WarmupProgress&)>& on_progress_;
    WarmupFindings& findings_;
    const WarmupShape reference_;
    const Clock::time_point start_ = Clock::now();

    int level_ = 0;
    std::atomic<int> planned_{1};
    std::optional<Measurements> measured_;
    std::vector<Seconds> reference_runs_;  // what the reference request took, its first run first
    Mutex mutex_;
    std::vector<std::pair<Seconds, Seconds>> plain_ HOTMIC_GUARDED_BY(mutex_);  // of audio, and what it took
    Seconds plain_reference_ HOTMIC_GUARDED_BY(mutex_){};
    Seconds dearest_path_ HOTMIC_GUARDED_BY(mutex_){};
    WarmupReport report_;  // of the thread that warms up; while slots work, with the mutex
};

}  // namespace

Result<WarmupReport> run_warmup(const Lease& lease, const WarmupOptions& options, std::stop_token stop,
                                const std::function<void(const WarmupProgress&)>& on_progress,
                                const std::function<Bytes()>& resident_now, WarmupFindings& findings,
                                MediaDecoder& decoder) {
    auto clip = warmup_clip(options);
    if (!clip) return std::unexpected(std::move(clip).error());
    const auto before = resident_now();
    auto report = Warmup(lease, options, *std::move(clip), std::move(stop), on_progress, findings, decoder).run();
    if (report) {
        report->resident_before = before;
        report->resident_after = resident_now();
    }
    return report;
}

}  // namespace hotmic
