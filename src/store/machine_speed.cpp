#include "store/machine_speed.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <format>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "hotmic/units.hpp"
#include "system/cpu.hpp"

namespace hotmic::store {
namespace {

using Clock = std::chrono::steady_clock;

// A product of matrices that stay in a core's cache.
constexpr std::size_t kRows = 16;
constexpr std::size_t kColumns = 32;
constexpr std::size_t kDepth = 1024;
constexpr double kGflopOfProduct = 2.0 * kRows * kColumns * kDepth / 1e9;

// How much longer a model takes for one operation than the product does: it also waits for memory, and not all that it
// does is a product. docs/models.md tells what this was calibrated with.
constexpr double kModelFactor = 5.5;

struct Matrices {
    std::array<std::uint8_t, kRows * kDepth> a{};
    std::array<std::int8_t, kColumns * kDepth> b{};
    std::array<std::int32_t, kRows * kColumns> c{};
};

// Its loop becomes the instructions of whichever function it is part of. Four columns at once, as engines do it: what
// is read of a row is used four times.
[[gnu::always_inline]] inline void multiply(Matrices& with) {
    constexpr std::size_t kAtOnce = 4;
    for (std::size_t row = 0; row < kRows; ++row) {
        const auto* a = &with.a[row * kDepth];
        for (std::size_t column = 0; column < kColumns; column += kAtOnce) {
            const auto* b0 = &with.b[column * kDepth];
            const auto* b1 = b0 + kDepth;
            const auto* b2 = b1 + kDepth;
            const auto* b3 = b2 + kDepth;
            std::array<std::int32_t, kAtOnce> sums{};
            for (std::size_t k = 0; k < kDepth; ++k) {
                sums[0] += std::int32_t{a[k]} * std::int32_t{b0[k]};
                sums[1] += std::int32_t{a[k]} * std::int32_t{b1[k]};
                sums[2] += std::int32_t{a[k]} * std::int32_t{b2[k]};
                sums[3] += std::int32_t{a[k]} * std::int32_t{b3[k]};
            }
            std::ranges::copy(sums, &with.c[row * kColumns + column]);
        }
    }
}

void plain(Matrices& with) {
    multiply(with);
}

#if defined(__x86_64__) && !defined(__clang__)  // which knows the first by another name
[[gnu::target("avx512f,avx512bw,avx512vl,avx512vnni,prefer-vector-width=512")]] void wide_dot(Matrices& with) {
    multiply(with);
}
[[gnu::target("avx2,avxvnni")]] void middle_dot(Matrices& with) {
    multiply(with);
}
[[gnu::target("avx2")]] void middle(Matrices& with) {
    multiply(with);
}
#endif

/// What a thread has had of the processor: others who want it, too, change nothing.
double seconds_of_this_thread() {
    timespec now{};
    (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

auto widest() {
#if defined(__x86_64__) && !defined(__clang__)
    if (__builtin_cpu_supports("avx512vnni") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
        __builtin_cpu_supports("avx512vl") != 0)
        return wide_dot;
    if (__builtin_cpu_supports("avxvnni") != 0) return middle_dot;
    if (__builtin_cpu_supports("avx2") != 0) return middle;
#endif
    return plain;
}

}  // namespace

MachineSpeed measure_machine(std::chrono::milliseconds how_long, bool gently) {
    const auto end = Clock::now() + how_long;
    std::vector<double> rates(static_cast<std::size_t>(std::max(1, system::usable_cpus())));
    {
        std::vector<std::jthread> threads;
        threads.reserve(rates.size());
        for (auto& rate : rates) {
            threads.emplace_back([&rate, end, gently, product = widest()] {
                constexpr int kLeast = 19;
                if (gently) (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLeast);
                const auto with = std::make_unique<Matrices>();
                with->a.fill(3);
                with->b.fill(-5);
                const auto began = seconds_of_this_thread();
                std::size_t products = 0;
                do {
                    product(*with);
                    with->a[products % with->a.size()] = static_cast<std::uint8_t>(with->c.back());  // so it is needed
                    ++products;
                } while (Clock::now() < end);
                rate = static_cast<double>(products) * kGflopOfProduct / (seconds_of_this_thread() - began);
            });
        }
    }
    const auto rate = std::accumulate(rates.begin(), rates.end(), 0.0);
    return {.seconds_per_gflop = kModelFactor / rate,
            .measured = std::format("{:.0f} billion 8-bit operations a second", rate)};
}

MachineSpeed speed_of(const std::string& model, double gflop_per_second, Seconds took, Seconds audio) {
    return {
        .seconds_per_gflop = took / (audio * gflop_per_second),
        .measured = std::format("{:.2f} s for {:.1f} s of speech by the model {}", took.count(), audio.count(), model)};
}

}  // namespace hotmic::store
