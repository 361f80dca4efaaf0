/// The provider interface: how an engine is found, asked what it can do, loaded, and run.
///
///   Provider ──load──▶ Model (weights resident) ──make_recognizer──▶ Recognizer (one slot: one request at a time)
///
/// The same three classes are implemented in-process by the engines (src/asr/providers) and over a process boundary by
/// src/worker, so the lifecycle above does not know which it drives.
///
/// Rules for implementers
///  1. Nothing throws across this interface.
///  2. `availability`, `capabilities`, `inspect` and `estimate` load no weights, take milliseconds, are thread-safe.
///  3. `load` blocks its thread. It reports progress at least every 64 MiB or 100 ms and returns `load_cancelled` soon
///     after `stop` is requested (how soon is the engine's matter; a worker process makes it immediate).
///  4. A Model outlives its Recognizers: destroy recognizers first. Destroying the Model is the unload.
///  5. A Recognizer is used by one long-lived thread for its whole life, including its first use.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

/// Whether a provider can be used on this machine, and if not why and what mends it.
struct Availability {
    bool available = false;              ///< it can be used
    std::string version{};               ///< of the engine, or of the library behind it
    std::string reason{};                ///< when not available
    std::string remedy{};                ///< a command or step
    std::vector<std::string> devices{};  ///< what it can compute on, e.g. "CPU (sapphirerapids)"
    bool gpu = false;                    ///< one of them is a GPU
};

/// One slot: the inference state on top of a model.
class Recognizer {
public:
    virtual ~Recognizer() = default;

    /// Recognizes `audio` whole, or takes the stream that `options.step` names further by it; which of the model's
    /// recognizers does that makes no difference, but that one may not have what another heard. Segments reach `sink`
    /// (may be empty) as they become final, then the transcript returns. Nothing of an earlier request influences a
    /// later one, other steps of its stream apart. Empty or very short audio yields an empty transcript. Errors:
    /// unsupported_language, unsupported_parameter, audio_invalid_samples (NaN or infinite), stream_lost, cancelled,
    /// inference_failed, model_lost.
    [[nodiscard]] virtual Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options,
                                                        const SegmentSink& sink, std::stop_token stop) = 0;
};

/// Weights in memory.
class Model {
public:
    virtual ~Model() = default;

    /// Never changes.
    [[nodiscard]] virtual const ModelInfo& info() const noexcept = 0;

    /// Makes the next slot's recognizer; at most `info().slots` may exist at once. Call on the thread that will use it.
    /// Errors: insufficient_memory, load_failed, model_lost.
    [[nodiscard]] virtual Result<std::unique_ptr<Recognizer>> make_recognizer() = 0;

    /// It lives in a process of its own: `terminate` ends it, and its memory goes with it.
    [[nodiscard]] virtual bool isolated() const noexcept { return false; }

    /// Resident memory this model is accountable for: the worker's whole process, or none where the engine runs
    /// in-process and cannot tell its share.
    [[nodiscard]] virtual Bytes resident() const { return {}; }

    /// Its making ready is over, or somebody waits for it. Until then a model in a process of its own has a lower
    /// processor priority than the server, where the system lets that be taken back: models that serve notice little of
    /// its warmup.
    virtual void stop_yielding() noexcept {}

    /// Ends the engine at once where that is possible (a worker is killed and reaped); calls running on its recognizers
    /// return `model_lost`. In-process engines can only be asked through stop tokens: the default does nothing.
    virtual void terminate() noexcept {}

    /// Called at most once, from any thread, when the model dies by itself. Set before the first recognizer is made.
    virtual void on_lost(std::function<void(const Error&)>) {}
};

/// An engine.
class Provider {
public:
    virtual ~Provider() = default;

    /// As in configuration, e.g. "whisper_cpp".
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;
    /// Whether it can be used here.
    [[nodiscard]] virtual Availability availability() const = 0;
    /// What its models may be able to do; `Model::info` says what one can.
    [[nodiscard]] virtual Capabilities capabilities() const = 0;

    /// Reads what the model file says of itself and checks that it is whole. Errors, all permanent: model_file_missing,
    /// model_file_unreadable, model_not_recognized, model_unsupported, model_truncated, model_corrupt.
    [[nodiscard]] virtual Result<ModelFileInfo> inspect(const ModelSpec& spec) const = 0;

    /// Memory the model will need. Errors as `inspect`.
    [[nodiscard]] virtual Result<ResourceEstimate> estimate(const ModelSpec& spec) const = 0;

    /// What has to happen before the model can be looked at and takes no turn from other loads: a download. Blocks its
    /// thread, reports and stops as `load` does. Called before each load; nothing to do costs nothing.
    [[nodiscard]] virtual Result<void> prepare(const ModelSpec&, LoadProgress&, std::stop_token) { return {}; }

    /// Puts the weights into memory. Errors: as `inspect`; checksum_mismatch, insufficient_memory, load_failed,
    /// load_cancelled.
    [[nodiscard]] virtual Result<std::unique_ptr<Model>> load(const ModelSpec& spec, LoadProgress& progress,
                                                              std::stop_token stop) = 0;
};

/// The providers of this build by name, in order of preference. Immutable after construction, so any thread may read
/// it.
class ProviderRegistry {
public:
    /// In order of preference.
    explicit ProviderRegistry(std::vector<std::shared_ptr<Provider>> providers) : providers_(std::move(providers)) {}

    /// In order of preference.
    [[nodiscard]] const std::vector<std::shared_ptr<Provider>>& all() const noexcept { return providers_; }
    /// Errors: provider_unknown, naming those that exist.
    [[nodiscard]] Result<std::shared_ptr<Provider>> find(std::string_view name) const;

private:
    std::vector<std::shared_ptr<Provider>> providers_;
};

/// The engines compiled in: onnx, whisper_cpp, pocketsphinx.
[[nodiscard]] ProviderRegistry builtin_providers();

}  // namespace hotmic
