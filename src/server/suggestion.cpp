/// Which model suits this machine: GET /suggestion.
#include "store/suggestion.hpp"

#include <memory>
#include <optional>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/units.hpp"
#include "server/context.hpp"
#include "server/http/router.hpp"
#include "server/keys.hpp"
#include "server/responses.hpp"
#include "store/library.hpp"
#include "store/machine_speed.hpp"
#include "system/memory.hpp"
#include "system/mutex.hpp"
#include "text/json.hpp"

namespace hotmic::server {
namespace {

/// By a READY model's warmup, which costs nothing and is the real thing; without one the machine is measured, once.
class Speeds {
public:
    store::MachineSpeed of(const Context& context) {
        for (const auto& entry : context.catalog.entries()) {
            if (auto speed = warmed_up(context, *entry->model)) return *std::move(speed);
        }
        const Lock lock(mutex_);
        if (!measured_) measured_ = store::measure_machine(store::kMeasuring, true);
        return *measured_;
    }

private:
    static std::optional<store::MachineSpeed> warmed_up(const Context& context, const ServedModel& model) {
        const auto health = model.health();
        const auto report = model.warmup_report();
        if (!health.ready || !health.info || !report || report->steady <= Seconds::zero() ||
            report->clip_length <= Seconds::zero())
            return std::nullopt;
        const auto* known = context.config.known_models->find(health.info->name);
        if (known == nullptr || known->gflop_per_second <= 0) return std::nullopt;
        return store::speed_of(known->name, known->gflop_per_second, report->steady, report->clip_length);
    }

    Mutex mutex_;
    std::optional<store::MachineSpeed> measured_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace

void add_suggestion_routes(http::Router& router, Context& context) {
    const auto refuse = [&context](const RequestPtr& request, const Error& error) {
        context.metrics.error(to_string(error.code));
        return respond_error(error, request.get());
    };
    const auto answer = [&context, speeds = std::make_shared<Speeds>()] {
        const auto library = store::Library::of_process(context.config.models_dir);
        return respond_json(to_json(
            store::suggest(*context.config.known_models, library, speeds->of(context), system::available_memory())));
    };
    router.add({.pattern = "/suggestion",
                .check = [&context, refuse](const RequestPtr& request) -> std::optional<Response> {
                    const auto known = context.keys.authorize(*request, Scope::transcribe);
                    return known ? std::nullopt : std::optional(refuse(request, known.error()));
                },
                .handle =
                    [&context, refuse, answer](const RequestPtr& request, const Respond& respond) {
                        // It reads the disk, and may measure for a second.
                        if (!context.planning.submit([answer, respond] { respond(answer()); }))
                            respond(refuse(request, {ErrorCode::queue_full, "too many changes are under way already",
                                                     "ask again in a moment"}));
                    }});
}

}  // namespace hotmic::server
