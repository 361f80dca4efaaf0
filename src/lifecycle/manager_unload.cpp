#include <spdlog/spdlog.h>

#include <chrono>
#include <format>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/manager_impl.hpp"
#include "system/heap.hpp"
#include "system/memory.hpp"
#include "system/mutex.hpp"

namespace hotmic {

using std::chrono::milliseconds;

void ModelManager::Impl::run_unload(Unloading& mine) {
    const auto began = Clock::now();
    Lock lock(mutex);
    if (const auto running = attempt; running && running->running) {
        lock.unlock();
        running->stop.request_stop();
        lock.lock();
    }
    changed.wait(lock, [this] HOTMIC_REQUIRES(mutex) {
        return !(attempt && attempt->running) && dead_instance == nullptr && !clearing;
    });
    auto leaving = std::exchange(instance, nullptr);
    mine.leaving = leaving;
    const auto drained_by = mine.drained_by;
    lock.unlock();

    UnloadReport report;
    if (leaving) {
        const auto resident_now = [&] { return leaving->isolated() ? leaving->resident() : system::resident_memory(); };
        report.resident_before = resident_now();
        const Error why{ErrorCode::model_unloaded,
                        std::format("model {} was unloaded before the request was answered", name),
                        "load it again, or send the request elsewhere"};
        report.cancelled_requests = leaving->close(drained_by, options.cancel_grace, why).cancelled;
        system::trim_heap();
        report.process_gone = leaving->isolated();
        report.resident_after = resident_now();
    }
    report.duration = Clock::now() - began;
    spdlog::info("model unloaded model={} resident_before_mb={} resident_after_mb={} cancelled={} duration_ms={:.0f}",
                 name, to_mb(report.resident_before), to_mb(report.resident_after), report.cancelled_requests,
                 to_ms(report.duration));

    lock.lock();
    mine.leaving.reset();
    mine.report = report;
    mine.done = true;
    reservation = {};
    info.reset();
    resident = {};
    last_error.reset();
    recovery.forgive();
    forget_ways();
    transition(ModelState::uninitialized, "unloaded");
}

}  // namespace hotmic
