#include "asr/providers/whisper_cpp/vad_model.hpp"

#include <whisper.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "asr/providers/whisper_cpp/engine.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"

namespace hotmic::whisper_cpp {
namespace {

struct ContextDeleter {
    void operator()(whisper_vad_context* context) const { whisper_vad_free(context); }
};
using ContextPtr = std::unique_ptr<whisper_vad_context, ContextDeleter>;

/// What the engine reads of the file in memory.
struct Reading {
    std::string_view rest;
    bool ended = false;
    bool torn = false;  // it ended within something

    std::size_t read(void* to, std::size_t size) {
        const auto count = std::min(size, rest.size());
        std::memcpy(to, rest.data(), count);
        std::memset(static_cast<char*>(to) + count, 0, size - count);  // the engine does not look how much it got
        rest.remove_prefix(count);
        ended = ended || count < size;
        torn = torn || (count > 0 && count < size);
        return count;
    }
};

class SileroDetector final : public VoiceDetector {
public:
    SileroDetector(ContextPtr context, double threshold) : context_(std::move(context)), threshold_(threshold) {}

    bool hears_voice(AudioView frame) override {
        held_.insert(held_.end(), frame.begin(), frame.end());
        while (held_.size() >= kWindow) {
            // Should it fail, everything is taken for a voice: nothing that was said is lost.
            voice_ = !(probability() < threshold_);
            held_.erase(held_.begin(), held_.begin() + kWindow);
        }
        return voice_;
    }

private:
    static constexpr std::ptrdiff_t kWindow = 512;  // samples the network looks at

    double probability() {
        const bool ran = whisper_vad_detect_speech_no_reset(context_.get(), held_.data(), kWindow);
        return ran && whisper_vad_n_probs(context_.get()) > 0 ? *whisper_vad_probs(context_.get()) : 1;
    }

    ContextPtr context_;
    const double threshold_;
    std::vector<float> held_;
    bool voice_ = false;
};

class SileroModel final : public VadModel {
public:
    explicit SileroModel(std::string bytes) : bytes_(std::move(bytes)) {}

    Result<std::unique_ptr<VoiceDetector>> make_detector(double threshold) const override {
        start_engine();
        Reading reading{bytes_};
        whisper_model_loader loader{
            .context = &reading,
            .read = [](void* from, void* to, std::size_t size) { return static_cast<Reading*>(from)->read(to, size); },
            .eof = [](void* from) { return static_cast<Reading*>(from)->ended; },
            .close = [](void*) {}};
        auto parameters = whisper_vad_default_context_params();
        parameters.n_threads = 1;  // a window takes less than handing it to another thread
        parameters.use_gpu = false;
        try {
            ContextPtr context(whisper_vad_init_with_params(&loader, parameters));
            if (context && !reading.torn) {
                whisper_vad_reset_state(context.get());  // until then its memory is whatever lay there
                return std::make_unique<SileroDetector>(std::move(context), threshold);
            }
        } catch (const std::exception& problem) {
            return fail(ErrorCode::internal,
                        std::format("the voice detector could not be made of its model: {}", problem.what()));
        }
        return fail(ErrorCode::internal, "the voice detector could not be made of its model");
    }

private:
    const std::string bytes_;
};

/// Share of the frames that hold a voice.
double share_of_voice(VoiceDetector& detector, AudioView audio) {
    double voices = 0;
    double frames = 0;
    for (; audio.size() >= VoiceDetector::kFrameSamples; audio = audio.subspan(VoiceDetector::kFrameSamples)) {
        voices += detector.hears_voice(audio.first(VoiceDetector::kFrameSamples)) ? 1 : 0;
        ++frames;
    }
    return frames > 0 ? voices / frames : 0;
}

}  // namespace

Result<std::shared_ptr<const VadModel>> read_vad_model(const std::filesystem::path& path) {
    std::error_code missing;
    if (!std::filesystem::exists(path, missing)) {
        return fail(ErrorCode::model_file_missing, std::format("there is no VAD model {}", path.string()),
                    "correct server.vad_model, or leave it out");
    }
    constexpr std::uintmax_t kLargest = 64u << 20;  // the official ones have one MB
    std::ifstream file(path, std::ios::binary);
    const auto size = std::filesystem::file_size(path, missing);
    if (!file || missing || size > kLargest) {
        return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be read as a VAD model", path.string()),
                    "give a file of at most 64 MiB that this user may read");
    }
    return std::make_shared<SileroModel>(
        std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
}

Result<void> try_vad_model(const VadModel& model, AudioView speech) {
    auto detector = model.make_detector(0.5);
    if (!detector)
        return fail(ErrorCode::model_not_recognized, "this is no VAD model in ggml's format",
                    "take one of whisper.cpp's, ggml-silero-….bin");
    const std::vector<float> silence(std::size_t{3} * kSampleRate);
    const double heard_in_silence = share_of_voice(**detector, silence);
    const double heard_in_speech = share_of_voice(**detector, speech);
    if (heard_in_silence < 0.2 && heard_in_speech > 0.5) return {};
    return fail(ErrorCode::model_corrupt,
                std::format("this VAD model takes {:.0f} % of speech and {:.0f} % of silence for a voice",
                            heard_in_speech * 100, heard_in_silence * 100),
                "fetch it again");
}

}  // namespace hotmic::whisper_cpp
