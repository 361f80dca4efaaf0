/// Word error rate and speed of PocketSphinx's settings against its defaults, on a folder of speech with a
/// manifest.tsv.
///
///   hotmic_bench_pocketsphinx FOLDER [--show] [--no-defaults] [--growing | --again] [--model PATH] [name=value …]
///
/// Decodes every English clip twice, with the engine's defaults and with hotmic's settings (plus what is given on the
/// command line), alternating, and prints errors, CPU seconds per second of audio, the ratio between the two, and the
/// memory a slot takes.
///   --show         also prints what was heard
///   --no-defaults  only hotmic's settings, to try many quickly
///   --model PATH   another model than the distribution's
///   --growing      as a stream that is fed half a second each time, instead of whole
///   --again        the same, but decoded anew each time
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <print>
#include <sstream>
#include <string>
#include <vector>

#include "asr/providers/pocketsphinx/provider.hpp"
#include "hotmic/audio.hpp"
#include "lifecycle/warmup_runner.hpp"
#include "system/memory.hpp"

namespace {

template <class T>
T must(hotmic::Result<T> result) {
    if (result) return *std::move(result);
    std::println(std::cerr, "{}", result.error().describe());
    std::exit(1);
}

struct Clip {
    std::string file;
    std::string reference;
    std::vector<float> samples;
};

std::vector<Clip> read_clips(const std::filesystem::path& folder) {
    std::ifstream manifest(folder / "manifest.tsv");
    std::vector<Clip> clips;
    for (std::string line; std::getline(manifest, line);) {
        std::vector<std::string> fields;
        std::istringstream row(line);
        for (std::string field; std::getline(row, field, '\t');) fields.push_back(field);
        if (fields.size() < 5 || fields[3] != "en") continue;
        auto source = hotmic::open_media_file(folder / fields[0]);
        if (!source) continue;
        clips.push_back({fields[0], fields[4], must(hotmic::read_all(**source))});
    }
    return clips;
}

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Score {
    double words = 0;
    double errors = 0;
    double cpu = 0;
    double audio = 0;
    void print(const char* name) const {
        std::println(
            "{:<10} {:5.0f} words {:5.0f} errors  WER {:5.1f} %   CPU {:6.1f} s for {:5.1f} s of audio: {:.3f}", name,
            words, errors, 100 * errors / words, cpu, audio, cpu / audio);
    }
};

enum class How : std::uint8_t { whole, growing, again };

class Contestant {
public:
    Contestant(hotmic::pocketsphinx::Settings settings, const std::filesystem::path& model, How how) : how_(how) {
        const auto before = hotmic::system::resident_memory();
        auto provider = hotmic::pocketsphinx::make_provider(std::move(settings));
        hotmic::LoadProgress progress;
        model_ = must(provider->load({.provider = "pocketsphinx", .path = model, .slots = 1}, progress, {}));
        recognizer_ = must(model_->make_recognizer());
        resident = hotmic::system::resident_memory() - before;
    }
    void decode(const Clip& clip, bool show) {
        const double before = cpu_seconds();
        const auto heard =
            how_ == How::whole ? must(recognizer_->transcribe(clip.samples, {}, {}, {})).text : grown(clip.samples);
        score.cpu += cpu_seconds() - before;
        score.audio += hotmic::seconds_of(clip.samples.size()).count();
        const auto words = static_cast<double>(std::ranges::count(clip.reference, ' ') + 1);
        score.words += words;
        score.errors += words * hotmic::word_error_rate(clip.reference, heard);
        if (show) std::println("{}: {}", clip.file, heard);
    }
    Score score;
    hotmic::Bytes resident{};  // what loading added

private:
    std::string grown(hotmic::AudioView audio) {
        constexpr std::size_t kStep = hotmic::kSampleRate / 2;
        std::size_t size = 0;
        while (true) {
            const bool anew = how_ != How::growing;
            const auto from = anew ? 0 : size;
            size = std::min(size + kStep, audio.size());
            const hotmic::StreamStep step{.stream = anew ? 0U : 1U, .from = hotmic::Samples(from)};
            auto heard = must(recognizer_->transcribe(audio.subspan(from, size - from), {.step = step}, {}, {}));
            if (size == audio.size()) return heard.text;
        }
    }

    const How how_;
    std::unique_ptr<hotmic::Model> model_;
    std::unique_ptr<hotmic::Recognizer> recognizer_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::println(std::cerr,
                     "usage: {} FOLDER [--show] [--no-defaults] [--growing | --again] [--model PATH] [name=value …]",
                     argv[0]);
        return 2;
    }
    bool show = false;
    bool with_defaults = true;
    How how = How::whole;
    std::filesystem::path model;
    auto settings = hotmic::pocketsphinx::tuned_settings();
    for (int i = 2; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--show")
            show = true;
        else if (argument == "--no-defaults")
            with_defaults = false;
        else if (argument == "--growing")
            how = How::growing;
        else if (argument == "--again")
            how = How::again;
        else if (argument == "--model" && i + 1 < argc)
            model = argv[++i];
        else
            settings.emplace_back(argument.substr(0, argument.find('=')), argument.substr(argument.find('=') + 1));
    }
    const auto clips = read_clips(argv[1]);
    if (clips.empty()) {
        std::println(std::cerr, "no English clips in {}", argv[1]);
        return 1;
    }
    Contestant tuned(settings, model, how);
    std::optional<Contestant> defaults;
    if (with_defaults) defaults.emplace(hotmic::pocketsphinx::Settings{}, model, how);
    const auto loaded = hotmic::system::resident_memory();
    for (const auto& clip : clips) {
        if (defaults) defaults->decode(clip, false);
        tuned.decode(clip, show);
    }
    if (defaults) defaults->score.print("defaults");
    tuned.score.print("tuned");
    if (defaults) std::println("tuned takes {:.2f} of the defaults' time", tuned.score.cpu / defaults->score.cpu);
    std::println("resident: {} MiB for a slot when loaded, {} MiB more after the clips", hotmic::to_mb(tuned.resident),
                 hotmic::to_mb(hotmic::system::resident_memory() - loaded));
}
