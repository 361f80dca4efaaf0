#include "asr/providers/onnx/transducer/model.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <format>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "asr/providers/onnx/file_bytes.hpp"
#include "asr/providers/onnx/model_check.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/encoder.hpp"
#include "asr/providers/onnx/transducer/engine.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "asr/providers/onnx/transducer/kept_streams.hpp"
#include "asr/providers/onnx/transducer/predictor.hpp"
#include "asr/providers/onnx/transducer/recognizer.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/units.hpp"
#include "system/cpu.hpp"

namespace hotmic::onnx {
namespace {

constexpr int kMostPaths = 16;
constexpr int kDefaultSlotsAtMost = 4;
/// For each processor, where streams share runs: those that are to share one must be under way together.
constexpr int kSlotsThatShare = 4;
/// No utterance has this number. Each slot's warmup begins it anew, and may do so while another's does.
constexpr std::uint64_t kWarmupStream = ~std::uint64_t{0};
/// Of a stream beside its encoder's states: features that wait for their chunk, pieces, what the decoder made of them.
constexpr std::uint64_t kStreamBytes = 64'000;
/// The program and its libraries: measured (docs/providers.md).
constexpr std::uint64_t kEngineBytes = 75'000'000;
/// The graph that the runtime makes of a file, beside its weights.
constexpr std::uint64_t kGraphBytes = 20'000'000;

int slots_of(const ModelSpec& spec, const TransducerFolder& folder) {
    if (spec.slots > 0) return spec.slots;
    const int slots = std::clamp(system::usable_cpus(), 1, kDefaultSlotsAtMost);
    return takes_rows(folder) ? slots * kSlotsThatShare : slots;
}
/// The networks are small: a second thread waits more than it computes.
int threads_of(const ModelSpec& spec) {
    return std::max(spec.threads, 1);
}

Capabilities abilities(const TransducerFolder& folder) {
    return {.streaming = true,
            .exact_streams = true,
            .hotwords = true,
            .word_timestamps = true,
            .languages = folder.languages,
            .cancel_granularity = "one operator of the network (less than a millisecond)"};
}

Result<TransducerFolder> checked_folder(const ModelSpec& spec) {
    if (!spec.sha256.empty()) {
        return fail(ErrorCode::config_invalid, "a transducer is a folder, so no one digest can be checked",
                    "remove sha256", "sha256");
    }
    if (spec.backend != "auto" && spec.backend != "cpu") {
        return fail(ErrorCode::provider_unavailable,
                    std::format("backend = \"{}\": this engine computes on the CPU", spec.backend),
                    "set backend to cpu", "backend");
    }
    if (spec.max_beam_size < 0 || spec.max_beam_size > kMostPaths) {
        return fail(
            ErrorCode::config_invalid,
            std::format("max_beam_size = {}: a transducer keeps at most {} paths", spec.max_beam_size, kMostPaths),
            std::format("set it to 0..{}", kMostPaths), "max_beam_size");
    }
    auto folder = read_transducer_folder(spec.path, spec.quantize);
    if (folder) folder->pieces.write_in(spec.text_case);
    return folder;
}

std::vector<WarmupCase> warmup_cases(const ModelSpec& spec) {
    std::vector<WarmupCase> cases{{"word_timestamps", {.word_timestamps = true}, true},
                                  {"stream", {.word_timestamps = true, .step = {.stream = kWarmupStream}}, true}};
    if (spec.max_beam_size > 1) cases.push_back({"beam", {.beam_size = spec.max_beam_size}, true});
    return cases;
}

/// Reads, checks and then makes a session of one file: what is checked is what the runtime is given. Throws what the
/// library throws.
Result<Ort::Session> session_of(const TransducerPart& part, const Ort::SessionOptions& options, LoadProgress& progress,
                                const std::stop_token& stop, std::uint64_t& done, std::uint64_t total) {
    const auto bytes = read_file(part.file, progress, stop, done, total);
    if (!bytes) return std::unexpected(bytes.error());
    const auto facts = check_model(*bytes, part.file);
    if (!facts) return std::unexpected(facts.error());
    auto own = options.Clone();
    if (facts->has_files_beside) {
        const auto folder = std::filesystem::absolute(part.file).parent_path();
        own.AddConfigEntry("session.model_external_initializers_file_folder_path", folder.c_str());
    }
    try {
        return Ort::Session(environment(), bytes->data(), bytes->size(), own);
    } catch (const Ort::Exception& problem) {
        const std::string why = problem.what();
        const bool unknown = problem.GetOrtErrorCode() == ORT_NOT_IMPLEMENTED || why.contains("not a registered") ||
                             why.contains("No Op registered") || why.contains("Unsupported model IR version");
        return fail(unknown ? ErrorCode::model_unsupported : ErrorCode::model_corrupt,
                    std::format("ONNX Runtime {} refuses {}: {}", runtime_version(), part.file.string(), why),
                    unknown ? "export the model for an older version of ONNX" : "download or export the model again",
                    "path");
    }
}

Ort::SessionOptions options_of(const ModelSpec& spec) {
    auto options = session_options(threads_of(spec));
    // Every run has the same shapes, so one plan is all there is to keep.
    options.SetGraphOptimizationLevel(ORT_ENABLE_ALL).EnableMemPattern().EnableCpuMemArena();
    options.SetLogSeverityLevel(ORT_LOGGING_LEVEL_ERROR);
    // The files' own 8-bit weights have all their bits.
    if (!system::sums_bytes_exactly()) options.AddConfigEntry("session.x64quantprecision", "1");
    return options;
}

class TransducerModel final : public Model {
public:
    explicit TransducerModel(std::shared_ptr<TransducerEngine> engine) : engine_(std::move(engine)) {}

    const ModelInfo& info() const noexcept override { return engine_->info; }

    Result<std::unique_ptr<Recognizer>> make_recognizer() override {
        return guarded(
            ErrorCode::load_failed, "the engine could not make a slot",
            [&]() -> Result<std::unique_ptr<Recognizer>> { return std::make_unique<TransducerRecognizer>(engine_); });
    }

private:
    const std::shared_ptr<TransducerEngine> engine_;
};

}  // namespace

Result<ModelFileInfo> inspect_transducer(const ModelSpec& spec) {
    const auto folder = checked_folder(spec);
    if (!folder) return std::unexpected(folder.error());
    return ModelFileInfo{
        .kind = std::format("streaming transducer {}", folder->model_type),
        .format = "onnx",
        .size = Bytes(folder->size_bytes()),
        .quantization = folder->quantization,
        .multilingual = folder->languages.size() > 1,
        .languages = folder->languages,
        .tensors = folder->encoder.facts.tensors + folder->decoder.facts.tensors + folder->joiner.facts.tensors,
        .parameters = folder->parameters(),
        .details = {{"encoder", folder->encoder.file.filename().string()},
                    {"decoder", folder->decoder.file.filename().string()},
                    {"joiner", folder->joiner.file.filename().string()},
                    {"vocabulary", std::to_string(folder->vocabulary)},
                    {"step_ms", std::to_string(folder->chunk_shift * 10)},
                    {"streams_share_runs", takes_rows(*folder) ? "yes" : "no"},
                    {"look_ahead_ms", std::to_string((folder->chunk - folder->chunk_shift) * 10)},
                    {"state_bytes", std::to_string(bytes_of(folder->encoder_states))}}};
}

Result<ResourceEstimate> estimate_transducer(const ModelSpec& spec) {
    const auto folder = checked_folder(spec);
    if (!folder) return std::unexpected(folder.error());
    const auto state = bytes_of(folder->encoder_states);
    const auto paths = static_cast<std::uint64_t>(std::max(spec.max_beam_size, 1)) * bytes_of(folder->decoder_states);
    const auto kept = KeptStreams::kMost * (state + paths + kStreamBytes);
    const auto activations = 4 * state + 4'000'000;
    return ResourceEstimate{.weights = Bytes(2 * folder->size_bytes() + kGraphBytes + kEngineBytes + kept),
                            .per_slot = Bytes(activations),
                            .slots = slots_of(spec, *folder)};
}

Result<std::unique_ptr<Model>> load_transducer(const ModelSpec& spec, LoadProgress& progress,
                                               const std::stop_token& stop) {
    auto folder = checked_folder(spec);
    if (!folder) return std::unexpected(std::move(folder).error());
    return guarded(
        ErrorCode::load_failed, std::format("the engine could not load {}", spec.path.string()),
        [&]() -> Result<std::unique_ptr<Model>> {
            const auto total = folder->size_bytes();
            std::uint64_t done = 0;
            const auto options = options_of(spec);
            auto encoder = session_of(folder->encoder, options, progress, stop, done, total);
            if (!encoder) return std::unexpected(std::move(encoder).error());
            auto decoder = session_of(folder->decoder, options, progress, stop, done, total);
            if (!decoder) return std::unexpected(std::move(decoder).error());
            auto joiner = session_of(folder->joiner, options, progress, stop, done, total);
            if (!joiner) return std::unexpected(std::move(joiner).error());
            ModelInfo info{
                .provider = "onnx",
                .provider_version = runtime_version(),
                .name = folder->name,
                .backend = folder->quantization == "int8" ? "CPU (int8)" : "CPU (float)",
                .size = Bytes(total),
                .slots = slots_of(spec, *folder),
                .threads = threads_of(spec),
                .step = Seconds(folder->chunk_shift * 0.01),
                .capabilities = abilities(*folder),
                .warmup_cases = warmup_cases(spec),
                .warmup_lengths = {Seconds(2), Seconds(12)},
                .details = {{"model_type", folder->model_type}, {"step_ms", std::to_string(folder->chunk_shift * 10)}}};
            StreamingEncoder streaming(*std::move(encoder), *folder);
            const auto make_predictor =
                folder->family == TransducerFamily::icefall ? make_stateless_predictor : make_recurrent_predictor;
            auto predictor = make_predictor(*std::move(decoder), *std::move(joiner), *folder);
            const int lanes = std::max(1, system::usable_cpus() / threads_of(spec));
            auto engine = std::make_shared<TransducerEngine>(spec, std::move(info), *std::move(folder),
                                                             std::move(streaming), std::move(predictor), lanes);
            return std::make_unique<TransducerModel>(std::move(engine));
        });
}

}  // namespace hotmic::onnx
