#include "lifecycle/baseline.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"
#include "lifecycle/warmup_runner.hpp"
#include "system/cpu.hpp"
#include "text/json.hpp"

namespace hotmic {
namespace fs = std::filesystem;

namespace wire {

constexpr int kVersion = 1;

/// A file's content. The key is in it, because its name is only a hash of the key.
struct BaselineFile {
    int version = kVersion;
    BaselineKey key;
    std::vector<double> steady_ms;
};

}  // namespace wire

namespace {

/// A file larger than this is none of ours.
constexpr std::uintmax_t kLargest = 64 << 10;

/// FNV-1a: the same in every build and on every machine, unlike std::hash.
std::uint64_t hash(std::string_view text) {
    std::uint64_t value = 0xcbf29ce484222325;
    for (const char c : text) {
        value ^= static_cast<unsigned char>(c);
        value *= 0x100000001b3;
    }
    return value;
}

bool usable(double latency) {
    return std::isfinite(latency) && latency > 0;
}

/// The file's content, or why it is of no use.
Result<wire::BaselineFile> parse(const std::string& text, const BaselineKey& key) {
    const auto bad = [](std::string why) { return fail(ErrorCode::io_error, std::move(why)); };
    wire::BaselineFile content;
    if (const auto error = glz::read_json(content, text)) return bad(glz::format_error(error, text));
    if (content.version != wire::kVersion) return bad(std::format("it is of version {}", content.version));
    if (content.key != key) return bad("it belongs to another model, machine or backend");
    if (!std::ranges::all_of(content.steady_ms, usable)) return bad("it holds a latency that is none");
    if (content.steady_ms.empty()) return bad("it holds no latency");
    return content;
}

/// A name that no other thread and no other process writes to, in the folder of the file it is to become.
fs::path aside(const fs::path& file) {
    static std::atomic<unsigned> count{0};
    auto path = file;
    path += std::format(".{}-{}.tmp", getpid(), ++count);
    return path;
}

Result<void> write_whole(const fs::path& file, std::string_view text) {
    const auto temporary = aside(file);
    const auto give_up = [&](int code) {
        std::error_code ignored;
        fs::remove(temporary, ignored);
        return fail(ErrorCode::io_error, std::format("{} could not be written: {}", file.string(), std::strerror(code)),
                    "free space in the cache folder, or let this user write to it");
    };
    const int out = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (out < 0) return give_up(errno);
    const auto written = write(out, text.data(), text.size());
    const int why = written < 0 ? errno : ENOSPC;
    if (close(out) != 0) return give_up(errno);
    if (written != std::ssize(text)) return give_up(why);
    std::error_code error;
    fs::rename(temporary, file, error);
    if (error) return give_up(error.value());
    return {};
}

}  // namespace

std::string describe_machine() {
    std::string processor = "unknown processor";
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        if (!line.starts_with("model name")) continue;
        if (const auto at = line.find(": "); at != std::string::npos) processor = line.substr(at + 2);
        break;
    }
    const auto cores = system::usable_cpus();
    return std::format("{}, {} core{}", processor, cores, cores == 1 ? "" : "s");
}

BaselineKey baseline_key(const ModelInfo& model) {
    auto digest = model.sha256;
    if (digest.empty()) digest = std::format("{} {} of {} bytes", model.provider, model.name, model.size.count());
    return {std::move(digest), describe_machine(), std::format("{} on {}", model.provider, model.backend),
            model.threads};
}

Seconds Baseline::usual() const {
    return quantile(steady, 0.5);
}

std::string BaselineVerdict::note() const {
    if (!slower()) return {};
    return std::format("{:.1f} × slower than usual here: {:.0f} ms against {:.0f} ms, {}", ratio, ratio * to_ms(usual),
                       to_ms(usual), runs == 1 ? "the last warmup" : std::format("the median of {} warmups", runs));
}

fs::path BaselineStore::default_folder() {
    // A relative path in this variable is to be ignored, says its specification.
    if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
        return fs::path(cache) / "hotmic" / "baselines";
    }
    if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
        return fs::path(home) / ".cache" / "hotmic" / "baselines";
    }
    return {};
}

fs::path BaselineStore::file_of(const BaselineKey& key) const {
    // Lengths keep apart what would be the same when strung together.
    std::string all;
    for (const auto* part : {&key.model, &key.machine, &key.backend}) all += std::format("{}:{}", part->size(), *part);
    return folder_ / std::format("{:016x}.json", hash(all + std::to_string(key.threads)));
}

std::optional<Baseline> BaselineStore::find(const BaselineKey& key) const {
    const auto file = file_of(key);
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (error == std::errc::no_such_file_or_directory) return std::nullopt;
    const auto ignore = [&](std::string_view why) {
        spdlog::warn("baseline ignored file=\"{}\" reason=\"{}\"", file.string(), why);
        return std::nullopt;
    };
    if (error) return ignore(error.message());
    if (size > kLargest) return ignore("it is too large");
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto content = parse(text, key);
    if (!content) return ignore(content.error().message);
    Baseline found;
    for (const double ms : content->steady_ms) found.steady.emplace_back(from_ms(ms));
    return found;
}

Result<void> BaselineStore::record(const BaselineKey& key, Seconds steady) const {
    if (!usable(steady.count())) return fail(ErrorCode::internal, std::format("{} s is no latency", steady.count()));
    std::vector<double> kept;
    for (const auto each : find(key).value_or(Baseline{}).steady) kept.push_back(to_ms(each));
    kept.push_back(to_ms(steady));
    if (kept.size() > kKept) kept.erase(kept.begin(), kept.end() - kKept);
    std::error_code error;
    fs::create_directories(folder_, error);  // what goes wrong shows when the file is made
    return write_whole(file_of(key), to_json(wire::BaselineFile{.key = key, .steady_ms = std::move(kept)}));
}

std::optional<BaselineVerdict> BaselineStore::judge(const BaselineKey& key, const WarmupReport& report) const {
    // Level 1 runs the reference once: that is the cold latency, and no steady state.
    if (report.level < 2 || !usable(report.steady.count())) return std::nullopt;
    const auto before = find(key);
    if (const auto kept = record(key, report.steady); !kept) {
        spdlog::warn("baseline not kept reason=\"{}\"", kept.error().message);
    }
    if (!before) return std::nullopt;
    const auto usual = before->usual();
    return BaselineVerdict{.usual = usual, .ratio = report.steady / usual, .runs = before->steady.size()};
}

}  // namespace hotmic
