#include "cli/engine.hpp"

#include <spdlog/spdlog.h>

#include <format>

#include "cli/terminal.hpp"
#include "worker/isolated_provider.hpp"

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
    if (health.state == ModelState::loading && progress.total_bytes > 0) {
        line.draw("loading", static_cast<double>(progress.done_bytes) / static_cast<double>(progress.total_bytes));
    } else if (health.state == ModelState::loading) {
        line.draw("loading …", -1);
    } else if (health.state == ModelState::warming_up) {
        line.draw(std::format("warming up, level {} …", health.warmup_level), -1);
    }
}

}  // namespace

Result<std::unique_ptr<Engine>> make_engine(const config::Loaded& loaded, const ProviderRegistry& providers) {
    const auto& model = loaded.config.models.at(loaded.model);
    auto engine = std::make_unique<Engine>();
    auto choice = config::choose(model, loaded.config.models_dir, providers, engine->memory.available());
    if (!choice) return std::unexpected(std::move(choice.error()));
    engine->choice = std::move(*choice);
    engine->options = model.lifecycle;
    spdlog::info("model chosen provider={} path={} reason=\"{}\"", engine->choice.spec.provider,
                 engine->choice.spec.path.string(), engine->choice.reason);
    for (const auto& each : engine->choice.passed_over) spdlog::info("model passed over {}", each);
    auto provider = model.isolate ? worker::isolate(engine->choice.provider) : engine->choice.provider;
    engine->manager = std::make_unique<ModelManager>(loaded.model, engine->choice.spec, std::move(provider),
                                                     engine->options, engine->memory, engine->journal);
    return engine;
}

Result<void> make_ready(ModelManager& manager) {
    // The attempt has deadlines of its own; this patience only has to be longer than any of them.
    constexpr auto forever = std::chrono::hours(24 * 365);
    ProgressLine line;
    if (!line.shown()) return manager.initialize(in(forever));
    manager.start();
    while (true) {
        auto ready = manager.wait_for_ready(in(milliseconds(100)));
        if (ready || ready.error().code != ErrorCode::wait_timeout) return ready;
        draw(line, manager.health());
    }
}

std::string describe(const Transition& step, Clock::time_point began) {
    const double seconds = std::chrono::duration<double>(step.monotonic - began).count();
    auto line = std::format("{:9.3f} s  {} → {}", seconds, to_string(step.from),
                            paint(stdout, colour_of(step.to), to_string(step.to)));
    if (!step.cause.empty()) line += "  " + paint(stdout, Colour::dim, "(" + step.cause + ")");
    return line;
}

void narrate(const Journal& journal, Clock::time_point began, const std::stop_token& stop,
             const std::function<void(const Transition&)>& more) {
    std::uint64_t seen = 0;
    const auto tell = [&](const std::vector<Transition>& steps) {
        for (const auto& step : steps) {
            say(describe(step, began));
            if (more) more(step);
            seen = step.sequence;
        }
    };
    while (!stop.stop_requested()) tell(journal.wait_since(seen, in(std::chrono::hours(1)), stop));
    tell(journal.since(seen));
}

}  // namespace hotmic::cli
