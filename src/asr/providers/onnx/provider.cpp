#include "asr/providers/onnx/provider.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdint>
#include <format>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "asr/providers/onnx/transducer/model.hpp"
#include "asr/providers/onnx/whisper/calibration.hpp"
#include "asr/providers/onnx/whisper/engine.hpp"
#include "asr/providers/onnx/whisper/recognizer.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"
#include "asr/whisper/request.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/units.hpp"
#include "system/cpu.hpp"

namespace hotmic::onnx {
namespace {

constexpr const char* kName = "onnx";
constexpr const char* kCancelGranularity = "one operator of the network (milliseconds)";
constexpr int kMostDecoders = 8;
constexpr int kDefaultSlotsAtMost = 4;

int threads_of(const ModelSpec& spec) {
    return spec.threads > 0 ? spec.threads : system::usable_cpus();
}

/// Slots share the threads: one that is alone has them all.
int slots_of(const ModelSpec& spec) {
    return spec.slots > 0 ? spec.slots : std::clamp(system::usable_cpus(), 1, kDefaultSlotsAtMost);
}

Result<Quantization> quantization_of(const ModelSpec& spec) {
    if (spec.quantize == "none") return Quantization::none;
    if (spec.quantize.empty() || spec.quantize == "int8")
        return system::sums_bytes_exactly() ? Quantization::int8 : Quantization::int7;
    return fail(ErrorCode::config_invalid, std::format("quantize = \"{}\" is nothing this engine does", spec.quantize),
                "set it to \"int8\" or \"none\"", "quantize");
}

Capabilities abilities(bool multilingual) {
    return {.word_timestamps = true,
            .language_detection = multilingual,
            .translate = multilingual,
            .prompt = true,
            .temperature = true,
            .cancel_granularity = kCancelGranularity};
}

/// Paths that touch memory of their own.
std::vector<WarmupCase> warmup_cases(const ModelSpec& spec) {
    std::string long_prompt;
    for (int i = 0; i < 300; ++i) long_prompt += "word ";  // more than is kept of a prompt
    std::vector<WarmupCase> cases;
    cases.push_back({"temperature_fallback",
                     {.temperature = 0.4, .temperature_fallback = false, .best_of = spec.max_best_of},
                     true});
    if (spec.max_beam_size > 1) cases.push_back({"beam", {.beam_size = spec.max_beam_size}, false});
    cases.push_back({"word_timestamps", {.word_timestamps = true}, true});
    cases.push_back({"full_length_prompt", {.prompt = long_prompt, .temperature_fallback = false}, true});
    return cases;
}

/// Libraries, vocabulary and the like: measured.
constexpr std::uint64_t kEngineBytes = 75'000'000;

/// What the weights take once the graphs are made of them (docs/providers.md tells how it was measured).
std::uint64_t weight_bytes(const WhisperFileInfo& info, Quantization how) {
    const auto& d = info.dimensions;
    const auto table = static_cast<std::uint64_t>(d.vocabulary) * static_cast<std::uint64_t>(d.width);
    // The table of tokens is there twice: to look up, and to multiply with.
    return (info.parameters + table) * (how == Quantization::none ? sizeof(float) : 1) + kEngineBytes;
}

/// What one slot holds after the longest window: keys and values of the audio in 16 bits, those of the text in 32,
/// and the encoder's largest activations.
std::uint64_t slot_bytes(const Dimensions& d, const ModelSpec& spec) {
    const auto wide = static_cast<std::uint64_t>(d.width);
    const auto layers = static_cast<std::uint64_t>(d.decoder_layers);
    const auto frames = static_cast<std::uint64_t>(d.audio_frames);
    const auto positions = static_cast<std::uint64_t>(d.text_positions);
    const auto rows = static_cast<std::uint64_t>(std::max({1, spec.max_best_of, spec.max_beam_size}));
    const auto audio = layers * frames * 2 * wide * sizeof(std::uint16_t);
    const auto text = layers * 2 * positions * wide * sizeof(float) * rows / 2;  // half of it is touched at most
    const auto activations = frames * wide * sizeof(float) * 14;
    const auto logits = static_cast<std::uint64_t>(d.vocabulary) * sizeof(float) * (rows + 4);
    return audio + text + activations + logits;
}

class WhisperModel final : public Model {
public:
    explicit WhisperModel(std::shared_ptr<const Engine> engine) : engine_(std::move(engine)) {}

    const ModelInfo& info() const noexcept override { return engine_->info; }

    Result<std::unique_ptr<Recognizer>> make_recognizer() override {
        return guarded(
            ErrorCode::load_failed, "the engine could not make a slot",
            [&]() -> Result<std::unique_ptr<Recognizer>> { return std::make_unique<WhisperRecognizer>(engine_); });
    }

private:
    const std::shared_ptr<const Engine> engine_;
};

class OnnxProvider final : public Provider {
public:
    std::string_view name() const noexcept override { return kName; }

    Availability availability() const override {
        return {.available = true,
                .version = runtime_version(),
                .devices = {std::format("CPU ({} threads, {})", system::usable_cpus(),
                                        system::sums_bytes_exactly() ? "8-bit sums in hardware" : "7-bit weights")}};
    }

    Capabilities capabilities() const override {
        auto all = abilities(true);
        for (const auto& [code, token] : SpecialTokens::of_size(51866).languages) all.languages.push_back(code);
        return all;
    }

    Result<ModelFileInfo> inspect(const ModelSpec& spec) const override {
        if (looks_like_transducer(spec.path)) return inspect_transducer(spec);
        const auto info = checked_file(spec);
        if (!info) return std::unexpected(info.error());
        const auto& d = info->dimensions;
        ModelFileInfo made{.kind = "whisper " + d.size_name(),
                           .format = info->format,
                           .size = Bytes(info->size_bytes),
                           .quantization = info->quantization,
                           .multilingual = info->languages.size() > 1,
                           .languages = info->languages,
                           .tensors = info->tensors,
                           .parameters = info->parameters,
                           .details = {{"vocabulary", std::to_string(d.vocabulary)},
                                       {"width", std::to_string(d.width)},
                                       {"heads", std::to_string(d.heads)},
                                       {"encoder_layers", std::to_string(d.encoder_layers)},
                                       {"decoder_layers", std::to_string(d.decoder_layers)},
                                       {"mels", std::to_string(d.mels)}}};
        made.details.insert(info->files.begin(), info->files.end());
        return made;
    }

    Result<ResourceEstimate> estimate(const ModelSpec& spec) const override {
        if (looks_like_transducer(spec.path)) return estimate_transducer(spec);
        const auto info = checked_file(spec);
        if (!info) return std::unexpected(info.error());
        const auto how = quantization_of(spec);
        if (!how) return std::unexpected(how.error());
        return ResourceEstimate{.weights = Bytes(weight_bytes(*info, *how)),
                                .per_slot = Bytes(slot_bytes(info->dimensions, spec)),
                                .slots = slots_of(spec)};
    }

    Result<std::unique_ptr<Model>> load(const ModelSpec& spec, LoadProgress& progress, std::stop_token stop) override {
        if (looks_like_transducer(spec.path)) return load_transducer(spec, progress, stop);
        if (auto sane = check_spec(spec); !sane) return std::unexpected(std::move(sane).error());
        const auto how = quantization_of(spec);
        if (!how) return std::unexpected(how.error());
        if (spec.path.empty()) return std::unexpected(checked_file(spec).error());
        return guarded(
            ErrorCode::load_failed, std::format("the engine could not load {}", spec.path.string()),
            [&]() -> Result<std::unique_ptr<Model>> {
                auto weights = load_whisper(spec.path, *how, progress, stop);
                if (!weights) return std::unexpected(std::move(weights).error());
                if (!spec.sha256.empty() && weights->sha256 != spec.sha256) {
                    return fail(
                        ErrorCode::checksum_mismatch,
                        std::format("{} has SHA-256 {}, expected {}", spec.path.string(), weights->sha256, spec.sha256),
                        "download the model again, or correct sha256 in the configuration", "sha256");
                }
                progress.beat();
                auto info = describe(spec, *weights, *how);
                auto engine =
                    std::make_shared<Engine>(spec, std::move(info), *std::move(weights), threads_of(spec), progress);
                progress.beat();
                if (auto done = calibrate(engine, progress, stop); !done)
                    return std::unexpected(std::move(done).error());
                return std::make_unique<WhisperModel>(std::move(engine));
            });
    }

private:
    static ModelInfo describe(const ModelSpec& spec, const WhisperWeights& weights, Quantization how) {
        const auto& file = weights.file;
        const bool multilingual = file.languages.size() > 1;
        ModelInfo info{.provider = kName,
                       .provider_version = runtime_version(),
                       .name = file.dimensions.size_name(),
                       .backend = how == Quantization::none   ? "CPU (float)"
                                  : how == Quantization::int8 ? "CPU (int8)"
                                                              : "CPU (int8, 7-bit weights)",
                       .sha256 = weights.sha256,
                       .size = Bytes(file.size_bytes),
                       .slots = slots_of(spec),
                       .threads = threads_of(spec),
                       .capabilities = abilities(multilingual),
                       .warmup_cases = warmup_cases(spec)};
        info.capabilities.languages = file.languages;
        // Nothing is compiled or kept for a length: the longest window touches all memory.
        info.warmup_lengths = {Seconds(2), Seconds(kFullWindow - kSilenceBehind)};
        return info;
    }

    static Result<void> check_spec(const ModelSpec& spec) {
        if (auto fit = whisper::check_decoders(spec, kMostDecoders); !fit) return fit;
        if (spec.backend != "auto" && spec.backend != "cpu") {
            return fail(ErrorCode::provider_unavailable,
                        std::format("backend = \"{}\": this engine computes on the CPU", spec.backend),
                        "set backend to cpu, or provider to whisper_cpp", "backend");
        }
        return {};
    }

    static Result<WhisperFileInfo> checked_file(const ModelSpec& spec) {
        if (spec.path.empty()) {
            return fail(
                ErrorCode::model_file_missing, "onnx was given no model",
                "set models.default.path to a ggml-*.bin file of whisper.cpp, or a folder of CTranslate2 or with ONNX "
                "files, or put it into models_dir",
                "path");
        }
        return inspect_whisper(spec.path);
    }
};

}  // namespace

std::shared_ptr<Provider> make_provider() {
    return std::make_shared<OnnxProvider>();
}

}  // namespace hotmic::onnx
