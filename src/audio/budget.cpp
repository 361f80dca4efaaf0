#include "audio/budget.hpp"

#include <chrono>
#include <ctime>
#include <format>
#include <string>
#include <utility>

#include "hotmic/error.hpp"

namespace hotmic::audio {
namespace {

/// Audio decodes hundreds of times faster than it is spoken, on small machines tens of times.
constexpr double kCpuPerSecond = 0.03;
/// A machine may be so busy that a decoder gets a twentieth of a processor.
constexpr double kWallPerCpu = 20;
/// Read before there is any audio: tags with pictures, and the tables of a film, which have a few MiB.
constexpr std::size_t kMostUnheardBytes = 64 << 20;

}  // namespace

Budget::Cost Budget::now() {
    timespec cpu{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    return {std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec),
            std::chrono::steady_clock::now().time_since_epoch()};
}

Budget::Cost Budget::spent() const {
    if (spendings_ == 0) return before_;
    const auto until = now();
    return {before_.cpu + until.cpu - began_.cpu, before_.wall + until.wall - began_.wall};
}

Budget::Spending::Spending(Budget& budget) : budget_(budget) {
    if (budget_.spendings_++ == 0) budget_.began_ = now();
}

Budget::Spending::~Spending() {
    const auto spent = budget_.spent();
    if (--budget_.spendings_ == 0) budget_.before_ = spent;
}

Result<void> Budget::check() {
    if (exceeded_) return std::unexpected(*exceeded_);
    const auto exceed = [this](ErrorCode code, std::string message, std::string remedy) {
        exceeded_ = Error{code, std::move(message), std::move(remedy), "file"};
        return std::unexpected(*exceeded_);
    };
    if (limits_.stop.stop_requested()) return exceed(ErrorCode::cancelled, "the request was cancelled", "");
    const auto too_costly = [&](const std::string& what) {
        return exceed(ErrorCode::audio_too_costly,
                      std::format("decoding it took {} and gave {:.1f} s of audio", what, earned_.count()),
                      kConvertCostly);
    };
    const auto cost = spent();
    const Seconds cpu = cost.cpu;
    const Seconds wall = cost.wall;
    const Seconds allowed = limits_.cpu_time + kCpuPerSecond * earned_;
    if (cpu > allowed) return too_costly(std::format("{:.1f} s of processor time", cpu.count()));
    if (wall > allowed * kWallPerCpu) return too_costly(std::format("{:.0f} s", wall.count()));
    if (unheard_bytes_ > kMostUnheardBytes) return too_costly(std::format("{} MiB of its bytes", unheard_bytes_ >> 20));
    return {};
}

}  // namespace hotmic::audio
