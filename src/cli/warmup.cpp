#include <chrono>
#include <format>
#include <glaze/glaze.hpp>
#include <print>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "audio/clip.hpp"
#include "cli/commands.hpp"
#include "cli/single_model.hpp"
#include "cli/terminal.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"
#include "lifecycle/report_json.hpp"
#include "lifecycle/warmup_clip.hpp"
#include "text/human_size.hpp"

namespace hotmic::cli {
namespace wire {

/// One request after READY, as the first user would send it.
struct FirstRequest {
    double latency_ms = 0;
    double ratio_to_steady = 0;  ///< 0 where no steady state was measured
    std::string text;
};

struct WarmupJson {
    std::string model;
    std::string provider;
    std::string path;
    std::string chosen_because;
    bool ready = false;
    double load_time_ms = 0;
    hotmic::wire::WarmupReport warmup{};
    FirstRequest first_request{};
    hotmic::wire::UnloadReport unload{};
};

}  // namespace wire

namespace {

using wire::FirstRequest;
using wire::WarmupJson;

Result<FirstRequest> first_request(ModelManager& manager, const audio::Clip& clip, const WarmupReport& warmup) {
    auto lease = manager.acquire();
    if (!lease) return std::unexpected(std::move(lease.error()));
    const auto began = Clock::now();
    auto source = open_media(clip.encoded);
    if (!source) return std::unexpected(std::move(source.error()));
    auto transcript = lease->transcribe({.audio = std::move(*source), .id = "first-request"});
    if (!transcript) return std::unexpected(std::move(transcript.error()));
    const Seconds latency = Clock::now() - began;
    return FirstRequest{to_ms(latency), warmup.steady > Seconds::zero() ? latency / warmup.steady : 0,
                        transcript->text};
}

void print_report(const WarmupJson& all, const WarmupReport& report) {
    if (!report.levels.empty()) {
        std::vector<std::vector<std::string>> rows{
            {"level", "", "inferences", "first", "p50", "p95", "last", "real-time factor", "took", "converged"}};
        for (const auto& level : report.levels) {
            rows.push_back({std::format("{}", level.level), level.name, std::format("{}", level.inferences),
                            human_time(level.first), human_time(level.p50), human_time(level.p95),
                            human_time(level.last), std::format("{:.3f}", level.real_time_factor),
                            human_time(level.duration), level.converged ? (*level.converged ? "yes" : "no") : "-"});
        }
        std::print("\n{}", aligned(rows, 2));
        for (const auto& level : report.levels) {
            for (const auto& skipped : level.skipped) std::println("  level {} left out {}", level.level, skipped);
        }
    }
    std::vector<std::vector<std::string>> rows{
        {"model", all.path.empty() ? all.provider + "'s own" : std::format("{} on {}", all.path, all.provider)},
        {"because", all.chosen_because},
        {"load", human_time(from_ms(all.load_time_ms))},
        {"warmup", human_time(report.duration)}};
    if (report.cold_penalty > 0) {
        rows.push_back({"cold", std::format("{} for the first request: {:.2f} × steady, and no user had to wait for it",
                                            human_time(report.cold_penalty * report.steady), report.cold_penalty)});
    }
    if (report.streams) {
        rows.push_back({"streams", std::format("a step hears {} and takes {} at first, then {} (p95 {})",
                                               human_time(report.streams->step), human_time(report.streams->first),
                                               human_time(report.streams->steady), human_time(report.streams->p95))});
    }
    if (report.steady > Seconds::zero()) rows.push_back({"steady", human_time(report.steady)});
    rows.push_back({"first after READY",
                    all.first_request.ratio_to_steady > 0
                        ? std::format("{}: {:.2f} × steady", human_time(from_ms(all.first_request.latency_ms)),
                                      all.first_request.ratio_to_steady)
                        : human_time(from_ms(all.first_request.latency_ms))});
    if (report.word_error_rate)
        rows.push_back({"word error rate", std::format("{:.2f} on the warmup clip", *report.word_error_rate)});
    rows.push_back({"heard", std::format("\"{}\"", all.first_request.text)});
    if (report.resident_before) {
        rows.push_back({"memory", std::format("{} loaded, {} warm, {} after unloading",
                                              human_size(report.resident_before), human_size(report.resident_after),
                                              human_size(Bytes(all.unload.resident_after_bytes)))});
    }
    if (!report.budget_note.empty()) rows.push_back({"note", report.budget_note});
    std::print("\n{}", aligned(rows, 2));
}

}  // namespace

int warmup(const ConfigFlags& flags, bool json, const ProviderRegistry& providers) {
    auto own = flags;
    own.settings.insert(own.settings.begin(), {"models.*.retry.max_attempts", "1", "hotmic warmup"});
    const auto loaded = load_config(own, true);
    if (!loaded) return report(loaded.error());
    const auto began = Clock::now();
    auto single = make_single_model(*loaded, providers);
    if (!single) return report(single.error());
    auto& manager = *(*single)->manager;

    WarmupJson all{.model = loaded->model,
                   .provider = (*single)->plan.spec.provider,
                   .path = (*single)->plan.spec.path.string(),
                   .chosen_because = (*single)->plan.reason};
    const auto patience = deadline_in(std::chrono::hours(24));
    {
        std::jthread narrator;
        if (!json) {
            narrator = std::jthread([&](const std::stop_token& stop) {
                narrate((*single)->journal, {.began = began, .unnamed = loaded->model}, stop);
            });
        }
        if (auto ready = manager.initialize(patience); !ready) {
            narrator = {};
            return report(ready.error());
        }
    }
    all.ready = true;
    all.load_time_ms = to_ms(manager.health().load_time);
    const auto warm = manager.warmup_report().value_or(WarmupReport{});
    all.warmup = hotmic::wire::described(warm);
    const auto clip = warmup_clip((*single)->plan.options.warmup);
    if (!clip) return report(clip.error());
    auto first = first_request(manager, *clip, warm);
    if (!first) return report(first.error());
    all.first_request = std::move(*first);
    auto unloaded = manager.unload(patience);
    if (!unloaded) return report(unloaded.error());
    all.unload = hotmic::wire::described(*unloaded);
    if (json) {
        std::println("{}", glz::write<glz::opts{.prettify = true}>(all).value_or("{}"));
    } else {
        print_report(all, warm);
    }
    return 0;
}

}  // namespace hotmic::cli
