#include "support/fake_provider.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <print>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

#include "audio/clip.hpp"
#include "support/forbidden_acts.hpp"

namespace hotmic::testing {
namespace {

using std::chrono::milliseconds;

/// The model's path, taken apart.
class Script {
public:
    explicit Script(std::string_view path) {
        if (path.starts_with("fake:")) path.remove_prefix(5);
        for (const auto part : std::views::split(path, '&')) {
            const std::string_view entry(part.begin(), part.end());
            const auto equals = entry.find('=');
            if (equals != std::string_view::npos)
                values_[std::string(entry.substr(0, equals))] = entry.substr(equals + 1);
        }
    }
    [[nodiscard]] std::string text(const std::string& key, std::string standard = {}) const {
        const auto found = values_.find(key);
        return found == values_.end() ? standard : found->second;
    }
    [[nodiscard]] int number(const std::string& key, int standard = 0) const {
        const auto value = text(key);
        int number = standard;
        std::from_chars(value.data(), value.data() + value.size(), number);
        return number;
    }

private:
    std::map<std::string, std::string> values_;
};

/// Waits until `stop` is requested or `patience` is over. True when stopped.
bool wait(std::stop_token stop, milliseconds patience) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, patience, [] { return false; });
    return stop.stop_requested();
}

ErrorCode code_named(const std::string& name, ErrorCode standard) {
    for (const auto& row : error_table()) {
        if (row.name == name) return row.code;
    }
    return standard;
}

[[noreturn]] void crash(const std::string& how) {
    if (how == "segv") {
        ::signal(SIGSEGV, SIG_DFL);  // a sanitizer would make an exit of it
        ::raise(SIGSEGV);
    }
    if (how == "kill") ::raise(SIGKILL);
    if (how == "exit") std::_Exit(3);
    std::abort();
}

/// A run that no speech has; resampling leaves it nearly as it was.
bool holds_poison(AudioView audio) {
    const auto is_near = [](float sample) { return std::abs(sample - kPoison) < 1e-3F; };
    return !std::ranges::search_n(audio, kPoisonRun, true, {}, is_near).empty();
}

/// A place where things go wrong.
class Place {
public:
    Place(const Script& script, std::string name, ErrorCode standard)
        : script_(script), name_(std::move(name)), standard_(standard) {}

    /// Passes, or does what the script says. Errors: the scripted one; `cancelled` when a hang was stopped.
    Result<void> pass(std::stop_token stop) {
        if (passes_++ < script_.number("after")) return {};
        if (script_.text("crash") == name_) crash(script_.text("how"));
        if (script_.text("fail") == name_) {
            const auto code = code_named(script_.text("error"), standard_);
            return fail(code, "the fake provider was told to fail here");
        }
        if (script_.text("hang") == name_) {
            const bool deaf = script_.number("deaf") != 0;
            wait(deaf ? std::stop_token{} : std::move(stop), std::chrono::hours(1));
            return fail(name_ == "infer" ? ErrorCode::cancelled : ErrorCode::load_cancelled, "the hang was ended");
        }
        return {};
    }

private:
    const Script& script_;
    const std::string name_;
    const ErrorCode standard_;
    std::atomic<int> passes_{0};
};

struct Shared {
    Shared(const ModelSpec& spec, std::shared_ptr<FakeRecord> kept)
        : script(spec.path.string()), backend(spec.backend), record(std::move(kept)) {}
    Script script;
    const std::string backend;
    std::shared_ptr<FakeRecord> record;
    std::atomic<int> answers{0};
    Place slot{script, "slot", ErrorCode::insufficient_memory};
    Place infer{script, "infer", ErrorCode::inference_failed};
    std::mutex streaming;
    std::map<std::uint64_t, std::vector<float>> streams;
    int steps = 0;
    std::mutex meeting;
    std::condition_variable_any met;
    int most_met = 0;  // inferences that were under way at once
    int meeting_now = 0;
    std::vector<char> memory;
};

class FakeRecognizer final : public Recognizer {
public:
    explicit FakeRecognizer(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {
        ++shared_->record->recognizers;
    }
    ~FakeRecognizer() override { --shared_->record->recognizers; }
    FakeRecognizer(const FakeRecognizer&) = delete;
    FakeRecognizer& operator=(const FakeRecognizer&) = delete;

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token stop) override {
        auto& record = *shared_->record;
        if (std::this_thread::get_id() != home_) ++record.wrong_thread;
        ++record.inferences;
        const int running = ++record.running;
        for (int most = record.most_running;
             running > most && !record.most_running.compare_exchange_weak(most, running);) {
        }
        record.held.wait(true);
        auto result = answer(audio, options, sink, std::move(stop));
        --record.running;
        return result;
    }

private:
    Result<Transcript> answer(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                              std::stop_token stop) {
        if (auto passed = shared_->infer.pass(stop); !passed) return std::unexpected(std::move(passed).error());
        const auto& script = shared_->script;
        if (const auto what = script.text("poison"); !what.empty() && holds_poison(audio)) {
            if (what == "crash") crash(script.text("how"));
            wait(what == "wait" ? stop : std::stop_token(), std::chrono::hours(1));
        }
        if (!meet(stop)) return fail(ErrorCode::cancelled, "nobody came to meet");
        if (const milliseconds pause(script.number("infer_ms")); pause.count() > 0) wait(stop, pause);
        if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
        if (script.number("count") != 0 && options.step.stream != 0) {
            if (samples_in(options.step.from) % kSampleRate == 0) wait(stop, milliseconds(script.number("stall_ms")));
            return count(audio, options.step);
        }
        const auto end = seconds_of(audio.size() + samples_in(options.step.from));
        Segment segment{.end = end, .text = script.text("text", std::string(audio::builtin_clip().text))};
        if (const auto huge = script.number("huge"); huge > 0)
            segment.text = std::string(static_cast<std::size_t>(huge) << 20, 'x');
        if (const auto honest = script.number("lies", -1); honest >= 0 && shared_->backend != "cpu") {
            if (shared_->answers++ >= honest) segment.text = "up up up";
        }
        if (options.step.stream != 0 && !options.step.last) segment.text = script.text("grown", segment.text);
        if (script.number("nan") != 0) segment.avg_logprob = std::numeric_limits<double>::quiet_NaN();
        if (options.word_timestamps)
            segment.words.push_back({segment.text, {}, std::max(end / 2, end - Seconds(0.5)), 1});
        if (sink) sink(segment);
        return Transcript{.text = segment.text, .language = "en", .duration = end, .segments = {segment}};
    }

    /// A quarter of a second with sound begins a word, the next ends it: "w", "w1", "w1 w", …
    Result<Transcript> count(AudioView audio, const StreamStep& step) {
        constexpr std::size_t kQuarter = kSampleRate / 4;
        const std::scoped_lock lock(shared_->streaming);
        auto& streams = shared_->streams;
        if (const int most = shared_->script.number("forget"); most > 0 && ++shared_->steps % most == 0)
            streams.clear();
        if (step.from == Samples::zero()) streams[step.stream].clear();
        if (!streams.contains(step.stream) || streams[step.stream].size() != samples_in(step.from))
            return fail(ErrorCode::stream_lost, "the fake provider has no such stream");
        auto& said = streams[step.stream];
        said.append_range(audio);
        std::vector<Word> words;
        bool begun = false;
        Seconds blank{};
        for (AudioView rest(said); rest.size() >= kQuarter; rest = rest.subspan(kQuarter)) {
            const auto end = seconds_of(said.size() - rest.size() + kQuarter);
            const bool sounds =
                std::ranges::any_of(rest.first(kQuarter), [](float at) { return std::abs(at) > 1e-3F; });
            blank = sounds ? Seconds{} : blank + seconds_of(kQuarter);
            if (!sounds) continue;
            if (!begun) words.push_back({"w", end - seconds_of(kQuarter), end, 1});
            if (begun) words.back().text += std::to_string(words.size());
            words.back().end = end;
            begun = !begun;
        }
        Transcript heard{.language = "en", .duration = seconds_of(said.size())};
        for (const auto& word : words) heard.text += (heard.text.empty() ? "" : " ") + word.text;
        heard.settled_words = words.size();
        heard.trailing_blank = blank;
        heard.next_step_at = Samples((said.size() / kQuarter + 1) * kQuarter);
        if (!words.empty()) heard.segments.push_back({.end = words.back().end, .text = heard.text, .words = words});
        if (step.last) streams.erase(step.stream);
        return heard;
    }

    /// Waits until as many inferences as the script wants have been under way at once. False when stopped before.
    bool meet(std::stop_token stop) {
        auto& all = *shared_;
        std::unique_lock lock(all.meeting);
        all.most_met = std::max(all.most_met, ++all.meeting_now);
        all.met.notify_all();
        const bool met = all.met.wait(lock, stop, [&] { return all.most_met >= all.script.number("meet"); });
        --all.meeting_now;
        return met;
    }

    std::shared_ptr<Shared> shared_;
    const std::thread::id home_ = std::this_thread::get_id();
};

class FakeModel final : public Model {
public:
    FakeModel(std::shared_ptr<Shared> shared, ModelInfo info) : shared_(std::move(shared)), info_(std::move(info)) {
        ++shared_->record->models;
    }
    ~FakeModel() override { --shared_->record->models; }
    FakeModel(const FakeModel&) = delete;
    FakeModel& operator=(const FakeModel&) = delete;

    const ModelInfo& info() const noexcept override { return info_; }
    Result<std::unique_ptr<Recognizer>> make_recognizer() override {
        if (auto passed = shared_->slot.pass({}); !passed) return std::unexpected(std::move(passed).error());
        return std::make_unique<FakeRecognizer>(shared_);
    }

private:
    std::shared_ptr<Shared> shared_;
    const ModelInfo info_;
};

class FakeProvider final : public Provider {
public:
    explicit FakeProvider(std::shared_ptr<FakeRecord> record) : record_(std::move(record)) {}

    std::string_view name() const noexcept override { return "fake"; }
    Availability availability() const override { return {.available = true, .version = "1", .devices = {"CPU"}}; }
    Capabilities capabilities() const override {
        return {.word_timestamps = true, .languages = {"en"}, .cancel_granularity = "none"};
    }

    Result<ModelFileInfo> inspect(const ModelSpec& spec) const override {
        const Script script(spec.path.string());
        if (!spec.path.string().starts_with("fake:"))
            return fail(ErrorCode::model_not_recognized, "a fake model's path begins with fake:");
        const auto examine = script.text("examine");
        if (examine == "crash") std::abort();
        if (examine == "hang") {
            while (true) ::pause();
        }
        if (script.number("corrupt") != 0)
            return fail(ErrorCode::model_corrupt, "the fake model was told to be corrupt", "tell it otherwise");
        return ModelFileInfo{.kind = "fake", .format = "fake", .languages = {"en"}};
    }
    Result<ResourceEstimate> estimate(const ModelSpec& spec) const override {
        const Script script(spec.path.string());
        return ResourceEstimate{.weights = mebibytes(static_cast<std::uint64_t>(script.number("need_mb", 1)))};
    }

    Result<std::unique_ptr<Model>> load(const ModelSpec& spec, LoadProgress& progress, std::stop_token stop) override {
        ++record_->loads;
        auto shared = std::make_shared<Shared>(spec, record_);
        const auto& script = shared->script;
        if (const auto words = script.text("say"); !words.empty()) std::println(stderr, "{}", words);
        if (const auto acts = script.text("try"); !acts.empty()) return fail(ErrorCode::load_failed, try_acts(acts));
        const int steps = std::max(1, script.number("steps", 10));
        Place loading(script, "load", ErrorCode::load_failed);
        for (int step = 0; step < steps; ++step) {
            progress.report(mebibytes(1) * step, mebibytes(1) * steps);
            if (step == steps / 2) {
                if (auto passed = loading.pass(stop); !passed) return std::unexpected(std::move(passed).error());
            }
            if (wait(stop, milliseconds(script.number("load_ms") / steps)))
                return fail(ErrorCode::load_cancelled, "the load was cancelled");
        }
        progress.report(mebibytes(1) * steps, mebibytes(1) * steps);
        shared->memory.assign(static_cast<std::size_t>(script.number("touch_mb")) << 20, '\1');
        ModelInfo info{.provider = "fake",
                       .provider_version = "1",
                       .name = "fake",
                       .backend = script.number("lies", -1) >= 0 && spec.backend != "cpu" ? "GPU" : "CPU",
                       .slots = spec.slots > 0 ? spec.slots : script.number("slots", 1),
                       .capabilities = capabilities(),
                       .warmup_cases = {{"word_timestamps", {.word_timestamps = true}, true}},
                       .warmup_lengths = {Seconds(1), Seconds(3)}};
        info.capabilities.exact_streams = script.number("count") != 0;
        info.capabilities.streaming = info.capabilities.exact_streams || !script.text("grown").empty();
        if (info.capabilities.exact_streams) info.step = Seconds(0.25);
        return std::make_unique<FakeModel>(std::move(shared), std::move(info));
    }

private:
    std::shared_ptr<FakeRecord> record_;
};

}  // namespace

std::shared_ptr<Provider> make_fake_provider(std::shared_ptr<FakeRecord> record) {
    return std::make_shared<FakeProvider>(std::move(record));
}

}  // namespace hotmic::testing
