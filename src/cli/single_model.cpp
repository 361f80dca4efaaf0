#include "cli/single_model.hpp"

#include <chrono>
#include <cstdint>
#include <format>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "cli/plan.hpp"
#include "cli/terminal.hpp"
#include "config/load.hpp"
#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "store/downloads.hpp"

namespace hotmic::cli {
namespace {

using std::chrono::milliseconds;

Colour colour_of(ModelState state) {
    switch (state) {
        case ModelState::ready:
            return Colour::green;
        case ModelState::error:
            return Colour::red;
        case ModelState::loading:
        case ModelState::warming_up:
        case ModelState::unloading:
            return Colour::yellow;
        case ModelState::uninitialized:
            return Colour::dim;
    }
    return Colour::dim;
}

void draw(ProgressLine& line, const Health& health) {
    const auto& progress = health.progress;
    const auto* doing = progress.downloading ? "downloading" : "loading";
    if (const auto fraction = progress.fraction(); health.state == ModelState::loading && fraction) {
        line.draw(doing, *fraction);
    } else if (health.state == ModelState::loading) {
        line.draw(std::format("{} …", doing), -1);
    } else if (health.state == ModelState::warming_up) {
        line.draw(std::format("warming up, level {} …", health.warmup_level), -1);
    }
}

std::string describe(const Transition& step, const Narration& how) {
    const double seconds = to_s(step.monotonic - how.began);
    auto line = std::format("{:9.3f} s  {}{} → {}", seconds, step.model == how.unnamed ? "" : step.model + ": ",
                            to_string(step.from), paint(stdout, colour_of(step.to), to_string(step.to)));
    if (!step.cause.empty()) line += "  " + paint(stdout, Colour::dim, "(" + step.cause + ")");
    return line;
}

}  // namespace

Result<std::unique_ptr<SingleModel>> make_single_model(const config::Loaded& loaded,
                                                       const ProviderRegistry& providers) {
    auto single = std::make_unique<SingleModel>();
    auto plan = make_plan(loaded.model, loaded.config.models.at(loaded.model), loaded.config, providers,
                          single->memory.available(), std::make_shared<store::Downloads>());
    if (!plan) return std::unexpected(std::move(plan.error()));
    single->plan = std::move(*plan);
    const auto& section = loaded.config.models.at(loaded.model);
    const bool left_open = section.provider == "auto" && section.path.empty();
    if (left_open && single->plan.spec.path.empty()) complain(single->plan.reason);
    single->manager = std::make_unique<ModelManager>(loaded.model, single->plan.spec, single->plan.provider,
                                                     single->plan.options, single->memory, single->journal);
    return single;
}

Result<void> make_ready(ModelManager& manager) {
    // The attempt has deadlines of its own; this patience only has to be longer than any of them.
    constexpr auto forever = std::chrono::hours(24 * 365);
    ProgressLine line;
    if (!line.shown()) return manager.initialize(deadline_in(forever));
    manager.start();
    while (true) {
        auto ready = manager.wait_for_ready(deadline_in(milliseconds(100)));
        if (ready || ready.error().code != ErrorCode::wait_timeout) return ready;
        draw(line, manager.health());
    }
}

void narrate(const Journal& journal, const Narration& how, const std::stop_token& stop) {
    std::uint64_t seen = 0;
    const auto tell = [&](const std::vector<Transition>& steps) {
        for (const auto& step : steps) {
            say(describe(step, how));
            if (how.more) how.more(step);
            seen = step.sequence;
        }
    };
    while (!stop.stop_requested()) tell(journal.wait_since(seen, deadline_in(std::chrono::hours(1)), stop));
    tell(journal.since(seen));
}

}  // namespace hotmic::cli
