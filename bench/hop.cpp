/// What the process border costs: one request to an engine that answers at once, in this process and in a worker.
///
///   hotmic_bench_hop [ROUNDS]
///
/// For clips of several lengths, prints the median and the 95th percentile of a request's wall time both ways and the
/// median of what the border adds. The two take turns, so that both see the same machine. What crosses is what would
/// cross for a real engine: the samples one way; segments, words and the transcript the other.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <print>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "worker/isolated_provider.hpp"
#include "worker/worker_main.hpp"

namespace {

using namespace hotmic;

/// Three segments of ten words for whatever it hears.
class EchoRecognizer final : public Recognizer {
public:
    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions&, const SegmentSink& sink,
                                  std::stop_token) override {
        Transcript transcript{.language = "en", .duration = seconds_of(audio.size())};
        for (int i = 0; i < 3; ++i) {
            Segment segment{
                .start = Seconds(3.0 * i), .end = Seconds(3.0 * i + 3), .tokens = std::vector<std::int32_t>(12, 7)};
            for (int word = 0; word < 10; ++word) {
                segment.words.push_back(
                    {"echo", segment.start + Seconds(0.3 * word), segment.start + Seconds(0.3 * word + 0.2), 0.9});
                segment.text += " echo";
            }
            if (sink) sink(segment);
            transcript.text += segment.text;
            transcript.segments.push_back(std::move(segment));
        }
        return transcript;
    }
};

class EchoModel final : public Model {
public:
    const ModelInfo& info() const noexcept override { return info_; }
    Result<std::unique_ptr<Recognizer>> make_recognizer() override { return std::make_unique<EchoRecognizer>(); }

private:
    const ModelInfo info_{.provider = "echo", .provider_version = "1", .name = "echo", .backend = "CPU"};
};

class EchoProvider final : public Provider {
public:
    std::string_view name() const noexcept override { return "echo"; }
    Availability availability() const override { return {.available = true}; }
    Capabilities capabilities() const override { return {.word_timestamps = true}; }
    Result<ModelFileInfo> inspect(const ModelSpec&) const override { return ModelFileInfo{.kind = "echo"}; }
    Result<ResourceEstimate> estimate(const ModelSpec&) const override { return ResourceEstimate{}; }
    Result<std::unique_ptr<Model>> load(const ModelSpec&, LoadProgress&, std::stop_token) override {
        return std::make_unique<EchoModel>();
    }
};

double percentile(std::vector<double> values, double share) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::ranges::nth_element(values, at);
    return *at;
}

/// One engine and the times its requests took.
class Contestant {
public:
    explicit Contestant(std::shared_ptr<Provider> provider) : provider_(std::move(provider)) {
        LoadProgress progress("bench");
        model_ = provider_->load({.provider = "echo", .path = {}}, progress, {}).value();
        recognizer_ = model_->make_recognizer().value();
    }
    /// Milliseconds one request takes.
    double request(AudioView audio) {
        int segments = 0;
        const auto start = std::chrono::steady_clock::now();
        const auto transcript =
            recognizer_->transcribe(audio, {.word_timestamps = true}, [&](const Segment&) { ++segments; }, {});
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
        if (segments != 3 || transcript.value().segments.size() != 3 ||
            transcript->duration != seconds_of(audio.size())) {
            throw std::runtime_error("the echo came back damaged");
        }
        return took.count();
    }

private:
    std::shared_ptr<Provider> provider_;
    std::unique_ptr<Model> model_;
    std::unique_ptr<Recognizer> recognizer_;
};

void compare(Contestant& here, Contestant& there, double seconds, int rounds) {
    const std::vector<float> audio(static_cast<std::size_t>(seconds * kSampleRate), 0.1F);
    std::vector<double> in_process;
    std::vector<double> isolated;
    for (int i = 0; i < rounds + 10; ++i) {
        const double one = here.request(audio);
        const double other = there.request(audio);
        if (i < 10) continue;  // the first ones grow buffers
        in_process.push_back(one);
        isolated.push_back(other);
    }
    const double border = percentile(isolated, 0.5) - percentile(in_process, 0.5);
    std::println(
        "{:>6.1f} s  in-process {:.4f} / {:.4f} ms   isolated {:.3f} / {:.3f} ms   the border costs {:.3f} ms: {:.4f} "
        "% of the audio's time",
        seconds, percentile(in_process, 0.5), percentile(in_process, 0.95), percentile(isolated, 0.5),
        percentile(isolated, 0.95), border, border / (10 * seconds));
}

}  // namespace

int main(int argc, char** argv) try {
    const auto echo = std::make_shared<EchoProvider>();
    if (argc > 1 && std::string_view(argv[1]) == "worker") return worker::worker_main(ProviderRegistry({echo}));

    int rounds = 1000;
    if (argc > 1) {
        const std::string_view text(argv[1]);
        if (std::from_chars(text.data(), text.data() + text.size(), rounds).ec != std::errc{} || rounds < 1) {
            std::println(std::cerr, "usage: {} [ROUNDS]", argv[0]);
            return 2;
        }
    }
    Contestant here(echo);
    Contestant there(worker::isolate(echo));
    std::println("one request, median / 95th percentile of {} rounds", rounds);
    for (const double seconds : {1.0, 10.0, 30.0, 60.0}) compare(here, there, seconds, rounds);
} catch (const std::exception& error) {
    std::println(std::cerr, "{}", error.what());
    return 1;
}
