/// Word error rate and speed of PocketSphinx's settings against its defaults, on a folder of speech with a manifest.tsv.
///
///   hotmic_bench_pocketsphinx FOLDER [name=value …]
///
/// Decodes every English clip twice, with the engine's defaults and with hotmic's settings (plus what is given on the command
/// line), alternating, and prints errors, CPU seconds per second of audio, and the ratio between the two.
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <print>
#include <sstream>
#include <string>
#include <vector>

#include "asr/providers/pocketsphinx/provider.hpp"
#include "hotmic/audio.hpp"
#include "lifecycle/warmup_runner.hpp"

namespace {

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
        clips.push_back({fields[0], fields[4], *hotmic::read_all(**source)});
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
        std::println("{:<10} {:5.0f} words {:5.0f} errors  WER {:5.1f} %   CPU {:6.1f} s for {:5.1f} s of audio: {:.3f}", name, words,
                     errors, 100 * errors / words, cpu, audio, cpu / audio);
    }
};

class Contestant {
public:
    explicit Contestant(hotmic::pocketsphinx::Settings settings) {
        auto provider = hotmic::pocketsphinx::make_provider(std::move(settings));
        hotmic::LoadProgress progress;
        model_ = provider->load({.provider = "pocketsphinx", .path = {}, .slots = 1}, progress, {}).value();
        recognizer_ = model_->make_recognizer().value();
    }
    void decode(const Clip& clip, bool show) {
        const double before = cpu_seconds();
        const auto transcript = recognizer_->transcribe(clip.samples, {}, {}, {}).value();
        score.cpu += cpu_seconds() - before;
        score.audio += hotmic::seconds_of(clip.samples.size());
        const auto words = static_cast<double>(std::ranges::count(clip.reference, ' ') + 1);
        score.words += words;
        score.errors += words * hotmic::word_error_rate(clip.reference, transcript.text);
        if (show) std::println("{}: {}", clip.file, transcript.text);
    }
    Score score;

private:
    std::unique_ptr<hotmic::Model> model_;
    std::unique_ptr<hotmic::Recognizer> recognizer_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::println(std::cerr, "usage: {} FOLDER [--show] [--no-defaults] [name=value …]", argv[0]);
        return 2;
    }
    bool show = false;
    bool with_defaults = true;
    auto settings = hotmic::pocketsphinx::tuned_settings();
    for (int i = 2; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--show") show = true;
        else if (argument == "--no-defaults") with_defaults = false;
        else settings.emplace_back(argument.substr(0, argument.find('=')), argument.substr(argument.find('=') + 1));
    }
    const auto clips = read_clips(argv[1]);
    if (clips.empty()) {
        std::println(std::cerr, "no English clips in {}", argv[1]);
        return 1;
    }
    Contestant defaults({});
    Contestant tuned(settings);
    for (const auto& clip : clips) {
        if (with_defaults) defaults.decode(clip, false);
        tuned.decode(clip, show);
    }
    if (with_defaults) defaults.score.print("defaults");
    tuned.score.print("tuned");
    if (with_defaults) std::println("tuned takes {:.2f} of the defaults' time", tuned.score.cpu / defaults.score.cpu);
}
