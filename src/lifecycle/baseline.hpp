/// What warm was like the last times: so that health can say "warm, but 2.3 × slower than before" where it would
/// otherwise say nothing.
///
/// A warmup measures a steady state, but one number alone is neither good nor bad. It means something against what the
/// same model did on the same machine before: half the speed is a throttled processor, a noisy neighbour, a lost
/// backend. A few small files in a cache folder keep that; losing them costs nothing but the comparison.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic {

/// Warmups that may be compared with each other.
struct BaselineKey {
    std::string model;    ///< digest of the file; where there is none, what comes closest to it
    std::string machine;  ///< what decides how fast it computes: not the host's name, which a container changes
    std::string backend;  ///< what is really computed on
    int threads = 0;      ///< per slot: another number is another speed, and nobody's fault
    friend bool operator==(const BaselineKey&, const BaselineKey&) = default;
};

/// The key of a loaded model on this machine.
[[nodiscard]] BaselineKey baseline_key(const ModelInfo& model);

/// Processor and the number of its cores that this process may use: "AMD EPYC 9R14, 2 cores".
[[nodiscard]] std::string describe_machine();

/// Steady latencies of the reference request, one a warmup, oldest first.
struct Baseline {
    std::vector<Seconds> steady;

    /// Their median: one bad day neither becomes the measure nor hides the next one. 0 without any.
    [[nodiscard]] Seconds usual() const;
};

/// How a warmup compares.
struct BaselineVerdict {
    Seconds usual{};       ///< of the warmups before this one
    double ratio = 0;      ///< this one's steady state ÷ usual: 2.3 is 2.3 × slower
    std::size_t runs = 0;  ///< how many there were

    /// Slower by more than warmups of an undisturbed machine differ among themselves.
    [[nodiscard]] bool slower() const noexcept { return ratio >= kSlower; }
    /// "2.3 × slower than usual here: 276 ms against 120 ms, the median of 5 warmups"; empty when it is not slower.
    [[nodiscard]] std::string note() const;

    static constexpr double kSlower = 1.5;
};

/// The files, one a key. Any number of threads and processes may use one folder at once: a file is written aside and
/// renamed, so a reader sees it whole or not at all; of two that write the same key at the same moment, one may be
/// lost.
class BaselineStore {
public:
    /// `folder` need not exist; it is made when something is written.
    explicit BaselineStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// `$XDG_CACHE_HOME/hotmic/baselines`, `~/.cache/hotmic/baselines`, or empty where there is neither variable.
    [[nodiscard]] static std::filesystem::path default_folder();

    /// What was recorded. Nothing was, or what is there cannot be used (then a line of log says why): nothing.
    [[nodiscard]] std::optional<Baseline> find(const BaselineKey& key) const;

    /// Adds a steady state; of each key the last `kKept` are kept. Errors: io_error, naming the file; a server goes on
    /// without.
    [[nodiscard]] Result<void> record(const BaselineKey& key, Seconds steady) const;

    /// Compares a finished warmup with those before it, then records it. Nothing to compare with, or nothing measured:
    /// nothing. Never fails: what goes wrong is a line of log.
    [[nodiscard]] std::optional<BaselineVerdict> judge(const BaselineKey& key, const WarmupReport& report) const;

    [[nodiscard]] std::filesystem::path file_of(const BaselineKey& key) const;

    static constexpr std::size_t kKept = 8;

private:
    std::filesystem::path folder_;
};

}  // namespace hotmic
