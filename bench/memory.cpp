/// Whether the memory a model is said to need is what it takes: the estimate made from its header against the resident
/// memory of the worker that has it loaded and warm.
///
///   hotmic_bench_memory [--few] [--keep FOLDER] [MODEL …]
///
/// A MODEL is `pocketsphinx`, the name of a generated Whisper model (tiny.en, base.en, small.en, medium.en, large-v3;
/// with -q5_0 or -q8_0 quantised) or a Whisper model file; settings may follow, as in `base.en,slots=2,flash=no,
/// decoders=1`. Without any, those that take a few minutes together. Prints a Markdown table and exits with 1 if an
/// estimate is off by more than 15 %.
///   --few          one request that asks for everything, instead of one for each path: for shapes that take minutes
///   --keep FOLDER  generated models are kept there and used again
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <print>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/measured_memory.hpp"
#include "support/whisper_test_model.hpp"
#include "worker/isolated_provider.hpp"
#include "worker/worker_main.hpp"

namespace {

using namespace hotmic;
namespace fs = std::filesystem;

constexpr double kTolerance = 0.15;

template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().describe());
    return *std::move(result);
}

int number(std::string_view text) {
    int value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{})
        throw std::runtime_error(std::string(text) + " is no number");
    return value;
}

/// What is to be measured, from its description on the command line.
ModelSpec spec_of(std::string_view description, const fs::path& folder) {
    ModelSpec spec{.provider = "whisper_cpp", .path = {}, .slots = 1};
    bool first = true;
    for (const auto part : std::views::split(description, ',')) {
        const std::string_view text(part.begin(), part.end());
        if (std::exchange(first, false)) {
            if (text == "pocketsphinx") {
                spec.provider = text;
            } else if (fs::exists(text)) {
                spec.path = text;
            } else {
                spec.path = folder / (std::string(text) + ".bin");
                if (!fs::exists(spec.path))
                    testing::write_whisper_model(spec.path, testing::official_shape(std::string(text)));
            }
        } else if (text.starts_with("slots=")) {
            spec.slots = number(text.substr(6));
        } else if (text.starts_with("decoders=")) {
            spec.max_best_of = spec.max_beam_size = number(text.substr(9));
        } else if (text == "flash=no") {
            spec.flash_attention = false;
        } else {
            throw std::runtime_error(std::string(text) + " is no setting");
        }
    }
    return spec;
}

/// Prints one row. False: the estimate is off.
bool measure(std::string_view description, const ModelSpec& spec, const testing::WarmRequests& requests) {
    const auto providers = builtin_providers();
    const auto provider = worker::isolate(must(providers.find(spec.provider)));
    const auto estimate = must(provider->estimate(spec));
    const auto measured = must(testing::measure_memory(*provider, spec, requests));
    const auto mb = [](Bytes size) { return static_cast<double>(size.count()) / 1e6; };
    const double off = testing::ratio(estimate, measured) - 1;
    std::println("| {} | {:.0f} | {:.0f} | {:.0f} | {:.0f} × {} | {:+.1f} % | {} |", description, mb(measured.loaded),
                 mb(measured.warm), mb(estimate.total()), mb(estimate.per_slot), estimate.slots, 100 * off,
                 measured.workers_left == 0 ? "all" : "NOT ALL");
    std::fflush(stdout);
    return std::abs(off) <= kTolerance && measured.workers_left == 0;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc > 1 && std::string_view(argv[1]) == "worker") return worker::worker_main(builtin_providers());

    testing::WarmRequests requests;
    fs::path kept;
    std::vector<std::string> models;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--few") {
            requests.few = true;
        } else if (argument == "--keep" && i + 1 < argc) {
            kept = argv[++i];
        } else if (argument.starts_with("-")) {
            std::println(std::cerr, "usage: {} [--few] [--keep FOLDER] [MODEL …]", argv[0]);
            return 2;
        } else {
            models.emplace_back(argument);
        }
    }
    if (models.empty()) {
        models = {"pocketsphinx",     "pocketsphinx,slots=2", "tiny.en",      "tiny.en,slots=2", "base.en",
                  "base.en,flash=no", "base.en,decoders=1",   "base.en-q5_0", "base.en-q8_0",    "small.en"};
    }
    const bool temporary = kept.empty();
    if (temporary) kept = fs::temp_directory_path() / ("hotmic-bench-memory-" + std::to_string(getpid()));
    fs::create_directories(kept);

    std::println("| model | loaded, MB | warm, MB | estimated, MB | of it slots | off by | returned |");
    std::println("|---|---|---|---|---|---|---|");
    bool good = true;
    for (const auto& model : models) good &= measure(model, spec_of(model, kept), requests);
    if (temporary) fs::remove_all(kept);
    return good ? 0 : 1;
} catch (const std::exception& error) {
    std::println(std::cerr, "{}", error.what());
    return 1;
}
