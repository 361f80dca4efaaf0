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

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

/// Everything that decides what is loaded. Two equal specs are the same model (the model key).
struct ModelSpec {
    std::string provider;          ///< "whisper_cpp", "pocketsphinx", …
    std::filesystem::path path;    ///< model file or folder; empty: the provider's own default model
    std::string sha256{};          ///< expected digest of the file, lower-case hex; empty: not checked
    int slots = 0;                 ///< requests at once; 0: the provider's default for this machine
    int threads = 0;               ///< threads per slot; 0: the provider's default for this machine
    std::string backend = "auto";  ///< "auto", "cpu", "gpu", or a device name of the engine
    bool flash_attention = true;   ///< where the engine has it: faster, the same text
    int max_best_of = 5;           ///< most candidates a request may sample; warmed, so that it costs nothing later
    int max_beam_size = 5;         ///< widest beam a request may ask for; warmed likewise
    std::string quantize{};        ///< how an engine that can holds the weights: "int8", "none"; empty: its default
    /// Letters of the text, for models that know one case only: "lower", "upper"; empty: as the model writes them.
    std::string text_case{};

    friend bool operator==(const ModelSpec&, const ModelSpec&) = default;
};

/// Whether a provider can be used on this machine, and if not why and what mends it.
struct Availability {
    bool available = false;              ///< it can be used
    std::string version{};               ///< of the engine, or of the library behind it
    std::string reason{};                ///< when not available
    std::string remedy{};                ///< a command or step
    std::vector<std::string> devices{};  ///< what it can compute on, e.g. "CPU (sapphirerapids)"
    bool gpu = false;                    ///< one of them is a GPU
};

/// What an engine, or a model of it, can do.
struct Capabilities {
    bool streaming = false;  ///< takes streams further step by step, each sample heard once (StreamStep)
    /// A stream hears what the whole audio at once would be heard as: its last step is final, and no step takes back
    /// what an earlier one settled. Where not, live text is heard in windows, and streams only add the newest words.
    bool exact_streams = false;
    bool hotwords = false;                 ///< raises what a request names (TranscribeOptions::hotwords)
    bool word_timestamps = false;          ///< times of words
    bool language_detection = false;       ///< finds out what is spoken
    bool translate = false;                ///< into English
    bool prompt = false;                   ///< takes text that was said before
    bool temperature = false;              ///< samples, the more freely the higher it is
    std::vector<std::string> languages{};  ///< ISO codes the engine can know; the model may know fewer
    std::string cancel_granularity{};      ///< how long a cancelled inference may go on, in words
};

/// What a model file is, read from its header and directory without loading it (`hotmic inspect`).
struct ModelFileInfo {
    std::string kind;                              ///< e.g. "whisper base.en", "pocketsphinx acoustic + language model"
    std::string format;                            ///< e.g. "ggml", "sphinx"
    std::uint64_t size_bytes = 0;                  ///< of all its files
    std::string quantization{};                    ///< e.g. "f16", "q5_0"
    bool multilingual = false;                     ///< knows more than one language
    std::vector<std::string> languages{};          ///< ISO 639-1 codes; empty: not said
    std::uint64_t tensors = 0;                     ///< in its files
    std::uint64_t parameters = 0;                  ///< numbers in them
    std::map<std::string, std::string> details{};  ///< dimensions and the like, for people
};

/// Bytes a model will need once loaded with its slots. An estimate made from the header.
struct ResourceEstimate {
    std::uint64_t weights_bytes = 0;   ///< shared by all slots
    std::uint64_t per_slot_bytes = 0;  ///< of each
    int slots = 1;                     ///< that `total_bytes` counts
    /// Of the weights and all slots.
    [[nodiscard]] std::uint64_t total_bytes() const noexcept {
        return weights_bytes + per_slot_bytes * static_cast<std::uint64_t>(slots);
    }
};

/// How far a load is. Written by the loading thread, read by any; every change counts as a sign of life.
class LoadProgress {
public:
    /// How far it was at one moment.
    struct Snapshot {
        std::uint64_t done_bytes = 0;   ///< read so far
        std::uint64_t total_bytes = 0;  ///< 0: not known yet
        std::uint64_t beats = 0;        ///< grows with every report; unchanged for `stall_timeout` means a hang
        bool downloading = false;       ///< the bytes are those of a download
        /// Of the download, as it goes.
        double bytes_per_second = 0;
    };

    /// `instance` is the id of the load under way: engines put it into their log lines.
    explicit LoadProgress(std::string instance = {}) : instance_(std::move(instance)) {}
    /// The id it was made with.
    [[nodiscard]] const std::string& instance() const noexcept { return instance_; }

    /// So many of so many bytes are read. `total_bytes` 0: not known yet.
    void report(std::uint64_t done_bytes, std::uint64_t total_bytes) noexcept {
        done_.store(done_bytes, std::memory_order_relaxed);
        total_.store(total_bytes, std::memory_order_relaxed);
        beats_.fetch_add(1, std::memory_order_release);
    }
    /// The same of a download, which comes before anything is read.
    void report_download(std::uint64_t done_bytes, std::uint64_t total_bytes) noexcept {
        const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
        if (!downloading_.exchange(true)) {
            download_began_.store(now, std::memory_order_relaxed);
            download_from_.store(done_bytes, std::memory_order_relaxed);
        }
        report(done_bytes, total_bytes);
    }
    /// It is all here; reading begins.
    void downloaded() noexcept {
        downloading_.store(false);
        report(0, 0);
    }
    /// A sign of life without bytes (building buffers, opening a slot).
    void beat() noexcept { beats_.fetch_add(1, std::memory_order_release); }

    /// How far it is now.
    [[nodiscard]] Snapshot snapshot() const noexcept {
        const auto beats = beats_.load(std::memory_order_acquire);
        Snapshot now{done_.load(std::memory_order_relaxed), total_.load(std::memory_order_relaxed), beats,
                     downloading_.load()};
        if (!now.downloading) return now;
        const std::chrono::duration<double> took = std::chrono::steady_clock::now().time_since_epoch() -
                                                   std::chrono::steady_clock::duration(download_began_.load());
        const auto from = download_from_.load(std::memory_order_relaxed);
        if (now.done_bytes > from && took.count() > 0)
            now.bytes_per_second = static_cast<double>(now.done_bytes - from) / took.count();
        return now;
    }

private:
    const std::string instance_;
    std::atomic<std::uint64_t> done_{0};
    std::atomic<std::uint64_t> total_{0};
    std::atomic<std::uint64_t> beats_{0};
    std::atomic<bool> downloading_{false};
    std::atomic<std::chrono::steady_clock::rep> download_began_{0};
    std::atomic<std::uint64_t> download_from_{0};
};

/// One path through the engine that allocates or compiles on first use, to be taken once per slot during warmup.
struct WarmupCase {
    std::string name;             ///< e.g. "temperature_fallback", "beam", "language_detection"
    TranscribeOptions options{};  ///< that take this path
    bool required = true;         ///< false: skipped and named when it does not fit, instead of failing the warmup
};

/// A loaded model, described.
struct ModelInfo {
    std::string provider;                          ///< that loaded it
    std::string provider_version;                  ///< of the engine
    std::string name;                              ///< e.g. "base.en", "en-us"
    std::string backend;                           ///< what it really computes on; begins with "CPU" if that is one
    std::string sha256{};                          ///< of the file as it was read; empty where the model is a folder
    std::uint64_t size_bytes = 0;                  ///< of its files
    int slots = 1;                                 ///< requests at once
    int threads = 1;                               ///< per slot
    Seconds step{};                                ///< audio that a stream's step hears at once; 0: no such steps
    Capabilities capabilities{};                   ///< of this model: languages it knows, translate only if it can
    std::vector<WarmupCase> warmup_cases{};        ///< beyond the plain request
    std::vector<Seconds> warmup_lengths{};         ///< of audio, smallest first: one per shape the engine builds
    std::map<std::string, std::string> details{};  ///< what was found out while loading, for people
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

    /// Resident memory this model is accountable for, in bytes: the worker's whole process, or 0 where the engine runs
    /// in-process and cannot tell its share.
    [[nodiscard]] virtual std::uint64_t resident_bytes() const { return 0; }

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
