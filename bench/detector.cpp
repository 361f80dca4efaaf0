/// What it costs to look for speech: processor time of each voice detector, as a part of the audio's length.
///
///   hotmic_bench_detector VAD_MODEL [FILE]
///
/// VAD_MODEL is a trained detector in whisper.cpp's format. FILE is a recording of any length; without one it is the
/// built-in clip again and again. Prints a Markdown table: the trained detector against the one that needs no model,
/// each with what levels the audio and finds the edges of speech.
#include <ctime>
#include <exception>
#include <iostream>
#include <memory>
#include <print>
#include <stdexcept>

#include "asr/providers/whisper_cpp/vad_model.hpp"
#include "audio/clip.hpp"
#include "speech/speech_finder.hpp"

namespace {

using namespace hotmic;

constexpr double kSeconds = 600;

template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().describe());
    return *std::move(result);
}

double processor_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Found {
    double cost = 0;    // of real time
    double spoken = 0;  // of the frames
};

Found look(AudioView audio, std::shared_ptr<const VadModel> model) {
    auto finder = must(SpeechFinder::open({.vad_model = std::move(model)}));
    const auto frames = audio.size() / VoiceDetector::kFrameSamples;
    std::size_t voices = 0;
    const double began = processor_seconds();
    for (std::size_t i = 0; i < frames; ++i) {
        const auto frame = audio.subspan(i * VoiceDetector::kFrameSamples, VoiceDetector::kFrameSamples);
        voices += finder.take(frame).voice ? 1 : 0;
    }
    return {(processor_seconds() - began) / seconds_of(audio.size()).count(),
            static_cast<double>(voices) / static_cast<double>(frames)};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::println(std::cerr, "usage: hotmic_bench_detector VAD_MODEL [FILE]");
        return 2;
    }
    try {
        const auto audio = argc == 3 ? must(read_all(*must(open_media_file(argv[2]))))
                                     : must(audio::clip_of_length(Seconds(kSeconds)));
        const auto trained = look(audio, must(whisper_cpp::read_vad_model(argv[1])));
        const auto plain = look(audio, nullptr);
        std::println("{:.0f} s of audio", seconds_of(audio.size()).count());
        std::println("| detector | cost, of real time | frames with a voice |\n|---|---|---|");
        std::println("| trained | {:.2f} % | {:.0f} % |", trained.cost * 100, trained.spoken * 100);
        std::println("| without a model | {:.2f} % | {:.0f} % |", plain.cost * 100, plain.spoken * 100);
        std::println("trained ÷ without: {:.1f}", trained.cost / plain.cost);
        return 0;
    } catch (const std::exception& why) {
        std::println(std::cerr, "{}", why.what());
        return 1;
    }
}
