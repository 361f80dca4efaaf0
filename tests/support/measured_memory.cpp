#include "support/measured_memory.hpp"

#include <sys/types.h>

#include <barrier>
#include <filesystem>
#include <fstream>
#include <thread>

#include "audio/clip.hpp"

namespace hotmic::testing {
namespace {

/// The longest window that src/lifecycle gives an engine.
constexpr double kLongestWindow = 60;

int worker_processes() {
    int count = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream children(task.path() / "children");
        for (pid_t pid = 0; children >> pid;) ++count;
    }
    return count;
}

/// Audio and what is asked about it, smallest first: what one request grew, the next finds.
struct Asked {
    double seconds = 0;
    TranscribeOptions options{};
};

std::vector<Asked> requests_of(const ModelInfo& info, const WarmRequests& requests) {
    std::vector<Asked> asked;
    if (requests.few) {
        Asked everything{.seconds = 29};
        for (const auto& path : info.warmup_cases) {
            auto& all = everything.options;
            all.word_timestamps |= path.options.word_timestamps;
            if (path.options.temperature > 0) {
                all.temperature = path.options.temperature;
                all.temperature_fallback = path.options.temperature_fallback;
                all.best_of = path.options.best_of;
            }
        }
        asked.push_back(std::move(everything));
        for (const auto& path : info.warmup_cases) {
            if (!path.options.prompt.empty()) asked.push_back({5, path.options});
        }
    } else {
        for (const auto& path : info.warmup_cases) asked.push_back({5, path.options});
        for (const auto length : info.warmup_lengths) asked.push_back({length.count(), {}});
    }
    asked.push_back({kLongestWindow, {}});
    return asked;
}

Result<void> serve(Recognizer& recognizer, const std::vector<Asked>& asked) {
    for (const auto& [seconds, options] : asked) {
        const auto speech = audio::clip_of_length(Seconds(seconds));
        if (!speech) return std::unexpected(speech.error());
        if (auto heard = recognizer.transcribe(*speech, options, {}, {}); !heard)
            return std::unexpected(std::move(heard).error());
    }
    return {};
}

}  // namespace

Result<MeasuredMemory> measure_memory(Provider& isolated, const ModelSpec& spec, const WarmRequests& requests) {
    const int before = worker_processes();
    MeasuredMemory measured;
    {
        LoadProgress progress("measured");
        auto model = isolated.load(spec, progress, {});
        if (!model) return std::unexpected(std::move(model).error());
        const auto& info = (*model)->info();
        const auto asked = requests_of(info, requests);

        std::vector<Result<void>> outcomes(static_cast<std::size_t>(info.slots));
        {
            // A recognizer is used by the thread that made it; all exist before the first is used, as in the server.
            // Each time all slots have come as far: first open, then warm and not yet given back.
            const auto weigh = [&, size = &measured.loaded]() mutable noexcept {
                *size = (*model)->resident();
                size = &measured.warm;
            };
            std::barrier all_slots(info.slots, weigh);
            std::vector<std::jthread> slots;
            for (auto& outcome : outcomes) {
                slots.emplace_back([&] {
                    auto recognizer = (*model)->make_recognizer();
                    all_slots.arrive_and_wait();
                    outcome = recognizer ? serve(**recognizer, asked) : std::unexpected(recognizer.error());
                    all_slots.arrive_and_wait();
                });
            }
        }
        for (auto& outcome : outcomes) {
            if (!outcome) return std::unexpected(std::move(outcome).error());
        }
    }
    measured.workers_left = worker_processes() - before;
    return measured;
}

}  // namespace hotmic::testing
