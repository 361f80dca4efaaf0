#include "asr/providers/pocketsphinx/provider.hpp"

#include <algorithm>
#include <cstdint>
#include <format>
#include <memory>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>

#include "asr/providers/pocketsphinx/decoder.hpp"
#include "asr/providers/pocketsphinx/model_files.hpp"
#include "asr/providers/pocketsphinx/recognizer.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/units.hpp"
#include "system/mutex.hpp"

namespace hotmic::pocketsphinx {
namespace {

constexpr const char* kVersion = HOTMIC_POCKETSPHINX_VERSION;

/// The program and its libraries, once a worker: measured (docs/providers.md).
constexpr std::uint64_t kProcessBytes = 32'000'000;

/// Measured with dictionaries of 1 700 to 135 000 words (docs/providers.md): every slot holds its own copy of the
/// files, trees and tables that grow with the dictionary, and what a request needs while it runs.
std::uint64_t slot_bytes(const ModelFiles& files) {
    constexpr std::uint64_t kPerDictionaryByte = 13;
    constexpr std::uint64_t kFixed = 32ull << 20;
    return files.total_bytes + kPerDictionaryByte * files.dictionary_bytes + kFixed;
}

int default_slots() {
    return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 4);
}

Capabilities abilities() {
    return {.streaming = true,
            .word_timestamps = true,
            .languages = {"en"},
            .cancel_granularity = "one piece of at most 15 s of audio"};
}

/// What a spec may ask of other providers but not of this one.
Result<ModelFiles> model_of(const ModelSpec& spec) {
    if (!spec.sha256.empty()) {
        return fail(ErrorCode::config_invalid, "a PocketSphinx model is a folder, so no one digest can be checked",
                    "remove sha256", "sha256");
    }
    if (spec.backend != "auto" && spec.backend != "cpu") {
        return fail(ErrorCode::config_invalid,
                    std::format("pocketsphinx has no backend {}, it computes on the CPU", spec.backend),
                    "use backend = \"auto\"", "backend");
    }
    return find_model(spec.path);
}

class PocketSphinxModel final : public Model {
public:
    PocketSphinxModel(ModelFiles files, Settings settings, DecoderPtr first, ModelInfo info)
        : files_(std::move(files)), settings_(std::move(settings)), first_(std::move(first)), info_(std::move(info)) {}

    const ModelInfo& info() const noexcept override { return info_; }

    Result<std::unique_ptr<Recognizer>> make_recognizer() override {
        DecoderPtr decoder;
        {
            const Lock lock(mutex_);
            decoder = std::move(first_);
        }
        if (!decoder) {
            auto made = make_decoder(files_, settings_);
            if (!made) return std::unexpected(std::move(made).error());
            decoder = *std::move(made);
        }
        return std::make_unique<PocketSphinxRecognizer>(std::move(decoder));
    }

private:
    const ModelFiles files_;
    const Settings settings_;
    Mutex mutex_;
    DecoderPtr first_ HOTMIC_GUARDED_BY(mutex_);  // proved at load that the model can be used; the first slot takes it
    const ModelInfo info_;
};

class PocketSphinxProvider final : public Provider {
public:
    explicit PocketSphinxProvider(Settings settings) : settings_(std::move(settings)) {}

    std::string_view name() const noexcept override { return "pocketsphinx"; }

    Availability availability() const override { return {.available = true, .version = kVersion, .devices = {"CPU"}}; }

    Capabilities capabilities() const override { return abilities(); }

    Result<ModelFileInfo> inspect(const ModelSpec& spec) const override {
        const auto files = model_of(spec);
        if (!files) return std::unexpected(files.error());
        auto details = files->facts;
        details["acoustic_model"] = files->acoustic_model.string();
        details["language_model"] = files->language_model.string();
        details["dictionary"] = files->dictionary.string();
        return ModelFileInfo{.kind = "pocketsphinx acoustic model, language model and dictionary",
                             .format = "sphinx",
                             .size = Bytes(files->total_bytes),
                             .languages = {"en"},
                             .details = std::move(details)};
    }

    Result<ResourceEstimate> estimate(const ModelSpec& spec) const override {
        const auto files = model_of(spec);
        if (!files) return std::unexpected(files.error());
        return ResourceEstimate{
            .weights = Bytes(kProcessBytes), .per_slot = Bytes(slot_bytes(*files)), .slots = slots_of(spec)};
    }

    Result<std::unique_ptr<Model>> load(const ModelSpec& spec, LoadProgress& progress, std::stop_token stop) override {
        const auto files = model_of(spec);
        if (!files) return std::unexpected(files.error());
        // The engine reads its files itself, in two calls: progress is nothing, all but the language model, everything.
        const auto go_on = [&](std::uint64_t bytes) {
            progress.report(Bytes(bytes), Bytes(files->total_bytes));
            return !stop.stop_requested();
        };
        if (!go_on(0)) return fail(ErrorCode::load_cancelled, "the load was cancelled");
        auto decoder =
            make_decoder(*files, settings_, [&] { return go_on(files->total_bytes - files->language_model_bytes); });
        if (!decoder) return std::unexpected(std::move(decoder).error());
        if (!go_on(files->total_bytes)) return fail(ErrorCode::load_cancelled, "the load was cancelled");
        ModelInfo info{
            .provider = "pocketsphinx",
            .provider_version = kVersion,
            .name = files->acoustic_model.filename().string(),
            .backend = "CPU",
            .size = Bytes(files->total_bytes),
            .slots = slots_of(spec),
            .threads = 1,
            .capabilities = abilities(),
            .warmup_cases = {{"word_timestamps", {.word_timestamps = true}, true},
                             {"stream", {.word_timestamps = true, .step = {.stream = ~std::uint64_t{0}}}, true}},
            .warmup_lengths = {Seconds(2), Seconds(12)}};
        return std::make_unique<PocketSphinxModel>(*files, settings_, *std::move(decoder), std::move(info));
    }

private:
    static int slots_of(const ModelSpec& spec) { return spec.slots > 0 ? spec.slots : default_slots(); }

    const Settings settings_;
};

}  // namespace

const Settings& tuned_settings() {
    // Against the defaults: no second pass over the lattice of words, and fewer hypotheses kept at once.
    static const Settings settings{
        {"cmn", "batch"}, {"fwdflat", "no"}, {"maxhmmpf", "3500"}, {"topn", "2"}, {"maxwpf", "15"}};
    return settings;
}

std::shared_ptr<Provider> make_provider() {
    return make_provider(tuned_settings());
}

std::shared_ptr<Provider> make_provider(Settings settings) {
    return std::make_shared<PocketSphinxProvider>(std::move(settings));
}

}  // namespace hotmic::pocketsphinx
