#include "asr/providers/parrot/provider.hpp"

#include <algorithm>
#include <cmath>
#include <format>
#include <fstream>
#include <utility>

#include "asr/languages.hpp"
#include "asr/limits.hpp"

namespace hotmic::parrot {
namespace {

constexpr std::string_view kMagic = "parrot: ";
constexpr std::size_t kWindow = 30 * kSampleRate;
constexpr float kQuietest = 0.01F;
constexpr auto kSlotSize = mebibytes(1);

/// What the file at `path` has the parrot say.
Result<std::string> phrase_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file)
        return fail(ErrorCode::model_file_missing, std::format("{} cannot be read", path.string()), "check the path",
                    "path");
    std::string line;
    std::getline(file, line);
    if (!line.starts_with(kMagic)) {
        return fail(ErrorCode::model_not_recognized, std::format("{} is no parrot", path.string()),
                    std::format("write a line that begins with \"{}\"", kMagic), "path");
    }
    return line.substr(kMagic.size());
}

class ParrotRecognizer final : public Recognizer {
public:
    explicit ParrotRecognizer(std::string phrase) : phrase_(std::move(phrase)) {}

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token stop) override {
        const bool any = options.language.empty() || options.language == "auto";
        if (!any && language_code(options.language) != "en") {
            return fail(ErrorCode::unsupported_language, std::format("a parrot knows no {}", options.language),
                        "use language=en", "language");
        }
        if (auto finite = check_samples(audio); !finite) return std::unexpected(std::move(finite).error());
        Transcript transcript{.text = {}, .language = "en", .duration = seconds_of(audio.size()), .segments = {}};
        for (std::size_t at = 0; at < audio.size(); at += kWindow) {
            if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
            const auto window = audio.subspan(at, std::min(kWindow, audio.size() - at));
            if (std::ranges::none_of(window, [](float sample) { return std::abs(sample) > kQuietest; })) continue;
            Segment segment{.start = seconds_of(at), .end = seconds_of(at + window.size()), .text = phrase_};
            if (options.word_timestamps) segment.words = {{phrase_, segment.start, segment.end, 1}};
            if (sink) sink(segment);
            if (!transcript.text.empty()) transcript.text += ' ';
            transcript.text += phrase_;
            transcript.segments.push_back(std::move(segment));
        }
        return transcript;
    }

private:
    const std::string phrase_;
};

class Parrot final : public Model {
public:
    Parrot(std::string phrase, ModelInfo info) : phrase_(std::move(phrase)), info_(std::move(info)) {}

    const ModelInfo& info() const noexcept override { return info_; }
    Result<std::unique_ptr<Recognizer>> make_recognizer() override {
        return std::make_unique<ParrotRecognizer>(phrase_);
    }

private:
    const std::string phrase_;
    const ModelInfo info_;
};

class ParrotProvider final : public Provider {
public:
    std::string_view name() const noexcept override { return "parrot"; }
    Availability availability() const override { return {.available = true, .version = "1", .devices = {"CPU"}}; }
    Capabilities capabilities() const override {
        return {.word_timestamps = true, .languages = {"en"}, .cancel_granularity = "30 s of audio"};
    }
    Result<ModelFileInfo> inspect(const ModelSpec& spec) const override {
        auto phrase = phrase_of(spec.path);
        if (!phrase) return std::unexpected(std::move(phrase).error());
        return ModelFileInfo{.kind = "parrot", .format = "text", .size = Bytes(phrase->size())};
    }
    Result<ResourceEstimate> estimate(const ModelSpec& spec) const override {
        const auto file = inspect(spec);
        if (!file) return std::unexpected(file.error());
        return ResourceEstimate{.weights = file->size, .per_slot = kSlotSize, .slots = std::max(spec.slots, 1)};
    }
    Result<std::unique_ptr<Model>> load(const ModelSpec& spec, LoadProgress& progress, std::stop_token stop) override {
        if (stop.stop_requested()) return fail(ErrorCode::load_cancelled, "the load was cancelled");
        auto phrase = phrase_of(spec.path);
        if (!phrase) return std::unexpected(std::move(phrase).error());
        progress.report(Bytes(phrase->size()), Bytes(phrase->size()));
        ModelInfo info{.provider = "parrot",
                       .provider_version = "1",
                       .name = "parrot",
                       .backend = "CPU",
                       .size = Bytes(phrase->size()),
                       .slots = std::max(spec.slots, 1),
                       .capabilities = capabilities(),
                       .warmup_lengths = {Seconds(1)}};
        return std::make_unique<Parrot>(*std::move(phrase), std::move(info));
    }
};

}  // namespace

std::shared_ptr<Provider> make_provider() {
    return std::make_shared<ParrotProvider>();
}

}  // namespace hotmic::parrot
