/// What is known of a model: what names it, what its files say, what it will need, and what it is once it is loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

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
    Bytes size{};                                  ///< of all its files
    std::string quantization{};                    ///< e.g. "f16", "q5_0"
    bool multilingual = false;                     ///< knows more than one language
    std::vector<std::string> languages{};          ///< ISO 639-1 codes; empty: not said
    std::uint64_t tensors = 0;                     ///< in its files
    std::uint64_t parameters = 0;                  ///< numbers in them
    std::map<std::string, std::string> details{};  ///< dimensions and the like, for people
};

/// Memory that a model will need once loaded with its slots. An estimate made from the header.
struct ResourceEstimate {
    Bytes weights{};   ///< shared by all slots
    Bytes per_slot{};  ///< of each
    int slots = 1;     ///< that `total` counts
    /// Of the weights and all slots.
    [[nodiscard]] Bytes total() const noexcept { return weights + per_slot * slots; }
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
    Bytes size{};                                  ///< of its files
    int slots = 1;                                 ///< requests at once
    int threads = 1;                               ///< per slot
    Seconds step{};                                ///< audio that a stream's step hears at once; 0: no such steps
    Capabilities capabilities{};                   ///< of this model: languages it knows, translate only if it can
    std::vector<WarmupCase> warmup_cases{};        ///< beyond the plain request
    std::vector<Seconds> warmup_lengths{};         ///< of audio, smallest first: one per shape the engine builds
    std::map<std::string, std::string> details{};  ///< what was found out while loading, for people
};

}  // namespace hotmic
