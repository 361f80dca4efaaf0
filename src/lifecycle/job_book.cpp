#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/served_model.hpp"
#include "system/mutex.hpp"

namespace hotmic {

std::string_view to_string(Job::State state) noexcept {
    switch (state) {
        case Job::State::running:
            return "running";
        case Job::State::succeeded:
            return "succeeded";
        case Job::State::failed:
            return "failed";
        case Job::State::superseded:
            return "superseded";
    }
    std::unreachable();
}

struct JobBook::Impl {
    explicit Impl(std::size_t most) : capacity(most) {}

    using Versions = std::vector<Job>;  // never empty; the last one is how it stands

    Versions* find(std::string_view id) HOTMIC_REQUIRES(mutex) {
        const auto found =
            std::ranges::find(jobs, id, [](const Versions& job) -> std::string_view { return job[0].id; });
        return found == jobs.end() ? nullptr : &*found;
    }
    void forget_old() HOTMIC_REQUIRES(mutex) {
        const auto ended = [](const Versions& job) { return job.back().state != Job::State::running; };
        while (jobs.size() > capacity) {
            const auto oldest = std::ranges::find_if(jobs, ended);
            if (oldest == jobs.end()) return;
            jobs.erase(oldest);
        }
    }

    const std::size_t capacity;
    mutable Mutex mutex;
    std::deque<Versions> jobs HOTMIC_GUARDED_BY(mutex);
    std::uint64_t made HOTMIC_GUARDED_BY(mutex) = 0;
};

JobBook::JobBook(std::size_t capacity) : impl_(std::make_unique<Impl>(capacity)) {}
JobBook::~JobBook() = default;

Job JobBook::open(std::string kind, std::string model) {
    const Lock lock(impl_->mutex);
    Job job{.id = std::format("job-{}", ++impl_->made),
            .kind = std::move(kind),
            .model = std::move(model),
            .began = std::chrono::system_clock::now()};
    impl_->jobs.push_back({job});
    impl_->forget_old();
    return job;
}

void JobBook::update(const Job& job) {
    const Lock lock(impl_->mutex);
    if (auto* versions = impl_->find(job.id)) versions->push_back(job);
}

std::optional<Job> JobBook::find(std::string_view id) const {
    const Lock lock(impl_->mutex);
    const auto* versions = impl_->find(id);
    return versions ? std::optional(versions->back()) : std::nullopt;
}

std::vector<Job> JobBook::all() const {
    const Lock lock(impl_->mutex);
    std::vector<Job> jobs;
    for (const auto& versions : impl_->jobs) jobs.push_back(versions.back());
    return jobs;
}

std::vector<Job> JobBook::versions(std::string_view id, std::size_t seen) const {
    const Lock lock(impl_->mutex);
    const auto* versions = impl_->find(id);
    if (!versions || versions->size() <= seen) return {};
    return {versions->begin() + static_cast<std::ptrdiff_t>(seen), versions->end()};
}

}  // namespace hotmic
