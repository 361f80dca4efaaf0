#include "asr/providers/onnx/whisper/calibration.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <format>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/long_audio.hpp"
#include "asr/providers/onnx/whisper/engine.hpp"
#include "asr/providers/onnx/whisper/recognizer.hpp"
#include "audio/clip.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {
namespace {

/// The clip's first sentence ends in a pause about here.
constexpr double kFirstSentence = 2.0;
constexpr double kSearch = 0.8;

/// Letters and digits only, in lower case: a comma more or less is no other hearing.
std::string words_of(std::string_view text) {
    std::string words;
    for (const char each : text) {
        const auto byte = static_cast<unsigned char>(each);
        if (std::isalnum(byte) != 0 || byte >= 0x80) words += static_cast<char>(std::tolower(byte));
    }
    return words;
}

struct Sample {
    AudioView audio;
    std::string words;
};

}  // namespace

Result<void> calibrate(const std::shared_ptr<Engine>& engine, LoadProgress& progress, const std::stop_token& stop) {
    const auto& clip = audio::builtin_clip();
    auto samples = audio::clip_of_length(clip.length);
    if (!samples) return std::unexpected(std::move(samples).error());
    const AudioView whole(*samples);
    const auto search = static_cast<std::size_t>(kSearch * kSampleRate);
    const auto about = static_cast<std::size_t>(kFirstSentence * kSampleRate);
    const auto cut = best_pause(whole.first(std::min(whole.size(), about + search)), about - search);

    WhisperRecognizer recognizer(engine);
    const TranscribeOptions options{.language = "en", .temperature_fallback = false};
    const auto hear = [&](AudioView audio) -> Result<std::string> {
        auto heard = recognizer.transcribe(audio, options, {}, stop);
        progress.beat();
        if (!heard) return std::unexpected(std::move(heard).error());
        return words_of(heard->text);
    };
    engine->window_floor = kFullWindow;
    std::vector<Sample> known{{whole.first(cut), {}}, {whole, {}}};
    for (auto& each : known) {
        auto words = hear(each.audio);
        if (!words) return std::unexpected(std::move(words).error());
        each.words = *std::move(words);
    }
    const bool hears = !known.front().words.empty() && known.back().words.size() > known.front().words.size();
    if (hears) {
        for (const double floor : kWindows) {
            engine->window_floor = floor;
            bool same = true;
            for (const auto& each : known) {
                if (floor >= kFullWindow || !same) break;
                const auto words = hear(each.audio);
                if (!words) return std::unexpected(words.error());
                same = *words == each.words;
            }
            if (same) break;
        }
    }
    engine->info.details["window_floor_seconds"] = std::format("{:.0f}", engine->window_floor);
    spdlog::info("calibrated model={} window_floor_seconds={:.0f} heard={}", engine->info.name, engine->window_floor,
                 hears);
    return {};
}

}  // namespace hotmic::onnx
