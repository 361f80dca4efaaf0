#include "cli/status_view.hpp"

#include <algorithm>
#include <deque>
#include <format>
#include <string>
#include <vector>

#include "cli/admin_client.hpp"
#include "cli/terminal.hpp"
#include "hotmic/units.hpp"
#include "text/human_size.hpp"

namespace hotmic::cli {
namespace {

constexpr int kBarCells = 30;

std::string bar(double fraction) {
    const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kBarCells);
    std::string cells;
    for (int i = 0; i < kBarCells; ++i) cells += i < full ? "█" : "░";
    return std::format("{} {:3.0f}%", cells, std::clamp(fraction, 0.0, 1.0) * 100);
}

Colour colour_of(const RemoteModel& model) {
    if (model.ready) return model.warning ? Colour::yellow : Colour::green;
    return model.state == "ERROR" ? Colour::red : Colour::yellow;
}

std::string headline(const RemoteModel& model) {
    auto text =
        std::format("{}  {}", paint(stdout, Colour::bold, model.name), paint(stdout, colour_of(model), model.state));
    if (model.provider) text += "  " + *model.provider;
    if (model.resident_bytes > 0) text += "  " + human_size(Bytes(model.resident_bytes));
    if (model.served_by) text += "  served by " + *model.served_by;
    if (model.successor) text += std::format("  a successor is {}", model.successor->state);
    return text;
}

/// How far it is, or how it went.
std::string second_line(const RemoteModel& model) {
    std::string text;
    if (model.state == "LOADING") text = bar(model.progress);
    if (model.state == "WARMING_UP") text = std::format("level {}", model.warmup_level);
    if (model.ready) {
        text = std::format("loaded in {}, warm in {}", human_time(from_ms(model.load_time_ms)),
                           human_time(from_ms(model.warmup_time_ms)));
        if (model.requests > 0)
            text += std::format(", {} requests of {}", model.requests, human_time(from_ms(model.mean_inference_ms)));
    }
    if (!model.ready && model.eta_seconds) text += std::format("  about {:.1f} s to go", *model.eta_seconds);
    const auto& why = model.ready ? model.warning : model.reason;
    if (why && !why->empty()) text += (text.empty() ? "" : "  ") + *why;
    return text;
}

/// One sign a slot: ■ a user's request, ▪ a canary or warmup, □ free; how far the longest is; and what waits for them.
std::string slots_line(const RemoteModel& model) {
    if (model.activity.empty()) return {};
    std::string text = "slots ";
    for (const auto& slot : model.activity) text += slot.request.empty() ? "□" : slot.background ? "▪" : "■";
    const auto& longest = *std::ranges::max_element(model.activity, {}, &RemoteSlot::running_ms);
    if (longest.running_ms > 0) text += std::format("  longest {}", human_time(from_ms(longest.running_ms)));
    if (longest.audio_seconds > 0) {
        text += std::format(", {:.0f}", longest.audio_seconds);
        text += longest.audio_total_seconds ? std::format(" of {:.0f} s", *longest.audio_total_seconds) : " s heard";
    }
    if (model.waiting > 0) text += std::format("  {} waiting", model.waiting);
    return text;
}

}  // namespace

std::string describe(const RemoteEvent& event) {
    // Of "2026-11-23T12:00:00.000Z" the time is what changes.
    const auto begin = event.time.find('T');
    const auto time = begin == std::string::npos ? event.time : event.time.substr(begin + 1, 12);
    return std::format("{}  {}  {} → {} after {} ({})", time, event.model, event.from, event.to,
                       human_time(from_ms(event.phase_ms)), event.cause);
}

std::string draw_status(const std::vector<RemoteModel>& models, const std::deque<RemoteEvent>& events) {
    std::string text;
    for (const auto& model : models) {
        text += headline(model) + "\n";
        for (const auto& line : {second_line(model), slots_line(model)}) {
            if (!line.empty()) text += "  " + line + "\n";
        }
    }
    if (!events.empty()) text += "\n";
    for (const auto& event : events) text += paint(stdout, Colour::dim, describe(event)) + "\n";
    return text;
}

}  // namespace hotmic::cli
