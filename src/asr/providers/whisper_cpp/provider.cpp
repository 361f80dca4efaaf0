#include "asr/providers/whisper_cpp/provider.hpp"

#include <ggml-backend.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <format>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "asr/providers/whisper_cpp/engine.hpp"
#include "asr/providers/whisper_cpp/loader.hpp"
#include "asr/providers/whisper_cpp/recognizer.hpp"
#include "asr/whisper/ggml_file.hpp"
#include "asr/whisper/request.hpp"
#include "asr/whisper/weight_reader.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/units.hpp"
#include "system/mutex.hpp"

namespace hotmic::whisper_cpp {
namespace {

using whisper::ModelFile;
using whisper::ModelHeader;
using whisper::read_model_file;
using whisper::WeightReader;

constexpr const char* kCancelGranularity = "one pass of the encoder (30 s of audio)";

int slots_of(const ModelSpec& spec) {
    return std::max(1, spec.slots);
}

int threads_of(const ModelSpec& spec) {
    if (spec.threads > 0) return spec.threads;
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / slots_of(spec));
}

std::vector<std::string> languages_of(const ModelHeader& header) {
    if (!header.multilingual()) return {"en"};
    std::vector<std::string> codes;
    // The vocabulary holds 99 languages, and one more from 51866 on.
    const int count = std::min(header.n_vocab - 51766, whisper_lang_max_id() + 1);
    codes.reserve(static_cast<std::size_t>(std::max(count, 0)));
    for (int id = 0; id < count; ++id) codes.emplace_back(whisper_lang_str(id));
    return codes;
}

Capabilities abilities(bool multilingual) {
    return {.word_timestamps = true,
            .language_detection = multilingual,
            .translate = multilingual,
            .prompt = true,
            .temperature = true,
            .cancel_granularity = kCancelGranularity};
}

/// Every path of the engine that allocates when it is first taken. The plain request is not among them: it is warmed
/// anyway.
std::vector<WarmupCase> warmup_cases(const ModelSpec& spec, bool multilingual) {
    std::string long_prompt;
    for (int i = 0; i < 300; ++i) long_prompt += "word ";  // more than the engine keeps of a prompt
    std::vector<WarmupCase> cases;
    cases.push_back({"temperature_fallback",
                     {.temperature = 0.4, .temperature_fallback = false, .best_of = spec.max_best_of},
                     true});
    if (spec.max_beam_size > 1) cases.push_back({"beam", {.beam_size = spec.max_beam_size}, false});
    if (multilingual) cases.push_back({"given_language", {.language = "en"}, true});
    cases.push_back({"word_timestamps", {.word_timestamps = true}, true});
    cases.push_back({"full_length_prompt", {.prompt = long_prompt}, true});
    return cases;
}

/// Libraries, vocabulary and the like: measured, the same for tiny, base and small.
constexpr std::uint64_t kEngineBytes = 25'000'000;

/// What one warm slot holds (docs/providers.md tells how it was measured). The caches and buffers follow the engine's
/// own dimensions; the activations are what it allocates for a window of 30 s, linear in the width of the model.
std::uint64_t slot_bytes(const ModelHeader& header, const ModelSpec& spec) {
    const auto wide = static_cast<std::uint64_t>(header.n_audio_state);
    const auto layers = static_cast<std::uint64_t>(header.n_text_layer);
    const auto vocabulary = static_cast<std::uint64_t>(header.n_vocab);
    const auto mels = static_cast<std::uint64_t>(header.n_mels);
    const auto frames = static_cast<std::uint64_t>(header.n_audio_ctx);
    const auto heads = static_cast<std::uint64_t>(header.n_audio_head);
    constexpr std::uint64_t kPaddedFrames = 1536;
    constexpr std::uint64_t kPaddedText = 512;
    constexpr std::uint64_t kKeyAndValue = 2 * 2;  // of 16 bits each
    constexpr std::uint64_t kPrompt = 228;         // tokens that are given to the decoder at once, at most

    const auto decoders = static_cast<std::uint64_t>(std::max({1, spec.max_best_of, spec.max_beam_size}));
    const auto self = kPaddedText * wide * layers * kKeyAndValue * (decoders > 1 ? decoders + 2 : 1);
    const auto cross = kPaddedFrames * wide * kKeyAndValue * (layers + 1);
    const auto convolution = 24'000 * wide + 50'000 * mels;
    const auto scores = heads * frames * frames;  // attention without flash attention keeps them all
    const auto encoder = spec.flash_attention ? 42'000 * wide : 27'000 * wide + scores * (sizeof(float) + 2);
    const auto between = 6'000 * wide + 12'000 * wide;
    const auto decoder = 3'600 * wide + 2 * kPrompt * vocabulary * sizeof(float) + decoders * vocabulary * 28;
    constexpr std::uint64_t kAudio = 31'000'000;  // spectrogram and padded copies of the longest window, threads
    return self + cross + convolution + encoder + between + decoder + kAudio;
}

class WhisperModel final : public Model {
public:
    WhisperModel(ContextPtr context, ModelSpec spec, ModelInfo info)
        : context_(std::move(context)), spec_(std::move(spec)), info_(std::move(info)) {}

    const ModelInfo& info() const noexcept override { return info_; }

    Result<std::unique_ptr<Recognizer>> make_recognizer() override {
        // One at a time: making a state uses buffers of the context.
        const Lock lock(mutex_);
        auto state = make_state(*context_);
        if (!state) return std::unexpected(std::move(state).error());
        return std::make_unique<WhisperRecognizer>(*context_, *std::move(state), info_, spec_);
    }

private:
    Mutex mutex_;
    ContextPtr context_ HOTMIC_GUARDED_BY(mutex_);
    const ModelSpec spec_;
    const ModelInfo info_;
};

class WhisperProvider final : public Provider {
public:
    std::string_view name() const noexcept override { return "whisper_cpp"; }

    Availability availability() const override {
        Availability availability{.version = whisper_version()};
        for (const auto& device : devices()) {
            availability.gpu |= device.gpu;
            availability.devices.push_back(device.gpu ? std::format("GPU {} ({})", device.name, device.description)
                                                      : std::format("{} ({})", device.name, device.description));
        }
        // Without any device the engine aborts instead of failing.
        availability.available = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) != nullptr;
        if (!availability.available) {
            availability.reason = "ggml found no CPU backend";
            availability.remedy = "install libggml0 anew: its backends are in …/ggml/backends0";
        }
        return availability;
    }

    Capabilities capabilities() const override {
        auto all = abilities(true);
        all.languages = languages_of({.n_vocab = 51866});
        return all;
    }

    Result<ModelFileInfo> inspect(const ModelSpec& spec) const override {
        const auto file = checked_file(spec);
        if (!file) return std::unexpected(file.error());
        const auto& header = file->header;
        return ModelFileInfo{.kind = "whisper " + header.size_name(),
                             .format = "ggml",
                             .size = Bytes(file->size_bytes),
                             .quantization = header.quantization(),
                             .multilingual = header.multilingual(),
                             .languages = languages_of(header),
                             .tensors = file->directory.size(),
                             .parameters = file->parameters,
                             .details = {{"n_vocab", std::to_string(header.n_vocab)},
                                         {"n_audio_ctx", std::to_string(header.n_audio_ctx)},
                                         {"n_audio_state", std::to_string(header.n_audio_state)},
                                         {"n_audio_head", std::to_string(header.n_audio_head)},
                                         {"n_audio_layer", std::to_string(header.n_audio_layer)},
                                         {"n_text_ctx", std::to_string(header.n_text_ctx)},
                                         {"n_text_layer", std::to_string(header.n_text_layer)},
                                         {"n_mels", std::to_string(header.n_mels)}}};
    }

    Result<ResourceEstimate> estimate(const ModelSpec& spec) const override {
        const auto file = checked_file(spec);
        if (!file) return std::unexpected(file.error());
        return ResourceEstimate{.weights = Bytes(file->tensor_bytes + kEngineBytes),
                                .per_slot = Bytes(slot_bytes(file->header, spec)),
                                .slots = slots_of(spec)};
    }

    Result<std::unique_ptr<Model>> load(const ModelSpec& spec, LoadProgress& progress, std::stop_token stop) override {
        if (auto sane = whisper::check_decoders(spec, kMaxDecoders); !sane)
            return std::unexpected(std::move(sane).error());
        if (const auto here = availability(); !here.available)
            return fail(ErrorCode::provider_unavailable, here.reason, here.remedy);
        const auto backend = choose_backend(spec.backend);
        if (!backend) return std::unexpected(backend.error());
        const auto file = checked_file(spec);
        if (!file) return std::unexpected(file.error());

        auto params = whisper_context_default_params();
        params.use_gpu = backend->use_gpu;
        params.gpu_device = backend->gpu_index;
        params.flash_attn = spec.flash_attention;

        WeightReader reader(spec.path, *file, progress, stop);
        auto loader = loader_of(reader);
        ContextPtr context;
        try {
            context.reset(whisper_init_with_params_no_state(&loader, params));
        } catch (const std::exception& problem) {
            return fail(ErrorCode::load_failed,
                        std::format("the engine could not load {}: {}", spec.path.string(), problem.what()),
                        "check the memory that is available");
        }
        if (auto given = reader.verdict(); !given) return std::unexpected(std::move(given).error());
        if (!context)
            return fail(ErrorCode::load_failed, std::format("the engine refused {}", spec.path.string()),
                        "its log says why");
        auto digest = reader.digest();
        if (!spec.sha256.empty() && digest != spec.sha256) {
            return fail(ErrorCode::checksum_mismatch,
                        std::format("{} has SHA-256 {}, expected {}", spec.path.string(), digest, spec.sha256),
                        "download the file again, or correct sha256 in the configuration", "sha256");
        }
        const auto& header = file->header;
        ModelInfo info{.provider = "whisper_cpp",
                       .provider_version = whisper_version(),
                       .name = header.size_name(),
                       .backend = backend->description,
                       .sha256 = std::move(digest),
                       .size = Bytes(file->size_bytes),
                       .slots = slots_of(spec),
                       .threads = threads_of(spec),
                       .capabilities = abilities(header.multilingual()),
                       .warmup_cases = warmup_cases(spec, header.multilingual()),
                       .warmup_lengths = {Seconds(2), Seconds(29), Seconds(45)}};
        info.capabilities.languages = languages_of(header);
        return std::make_unique<WhisperModel>(std::move(context), spec, std::move(info));
    }

private:
    static Result<ModelFile> checked_file(const ModelSpec& spec) {
        if (spec.path.empty()) {
            return fail(
                ErrorCode::model_file_missing, "whisper_cpp was given no model file",
                "download a ggml-*.bin model of whisper.cpp and set models.default.path, or put it into models_dir",
                "path");
        }
        return read_model_file(spec.path);
    }
};

}  // namespace

std::shared_ptr<Provider> make_provider() {
    return std::make_shared<WhisperProvider>();
}

}  // namespace hotmic::whisper_cpp
