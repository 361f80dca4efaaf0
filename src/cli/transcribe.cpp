#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "asr/channels.hpp"
#include "asr/formats.hpp"
#include "cli/commands.hpp"
#include "cli/remote.hpp"
#include "cli/single_model.hpp"
#include "cli/terminal.hpp"
#include "cli/vad_model.hpp"
#include "config/config.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"
#include "speech/speech_cutter.hpp"
#include "system/file_io.hpp"

namespace hotmic::cli {
namespace {

namespace fs = std::filesystem;

/// A file that may be opened several times, as standard input may not.
class Input {
public:
    static Result<Input> find(const std::string& file) {
        Input input;
        if (file == "-") {
            input.bytes_ = std::make_shared<std::vector<std::byte>>();
            std::vector<std::byte> part(1 << 16);
            while (const auto count = std::fread(part.data(), 1, part.size(), stdin))
                input.bytes_->insert(input.bytes_->end(), part.begin(),
                                     part.begin() + static_cast<std::ptrdiff_t>(count));
            if (std::ferror(stdin)) return fail(ErrorCode::io_error, "standard input cannot be read");
            return input;
        }
        // A slip on the command line, not trouble with reading: its own words and exit code.
        std::error_code ignored;
        if (!fs::exists(file, ignored))
            return fail(ErrorCode::invalid_request, "there is no such file", "check the path");
        input.path_ = file;
        return input;
    }

    [[nodiscard]] Result<std::unique_ptr<AudioSource>> open(const DecodeLimits& limits,
                                                            const TrackChoice& choice) const {
        if (bytes_) return open_media(bytes_, limits, choice);
        return open_media_file(path_, limits, choice);
    }

private:
    fs::path path_{};
    std::shared_ptr<std::vector<std::byte>> bytes_{};  // of standard input
};

/// Where the text of each file goes.
class Output {
public:
    /// Errors: invalid_request where two results would overwrite or be mixed with each other.
    static Result<Output> plan(const TranscribeFlags& what, ResponseFormat format) {
        Output output;
        output.several_ = what.files.size() > 1;
        output.format_ = format;
        if (what.output.empty()) {
            if (output.several_ && is_subtitles(format)) {
                return fail(ErrorCode::invalid_request, "subtitles of several files cannot share standard output",
                            "name a folder: -o FOLDER");
            }
            return output;
        }
        output.target_ = what.output;
        output.folder_ = output.several_ || what.output.ends_with('/') || fs::is_directory(output.target_);
        std::error_code error;
        if (output.folder_) fs::create_directories(output.target_, error);
        if (error) return fail(ErrorCode::io_error, std::format("{} cannot be made: {}", what.output, error.message()));
        std::set<fs::path> names;
        for (const auto& file : what.files) {
            if (!names.insert(output.path_for(file)).second) {
                return fail(ErrorCode::invalid_request,
                            std::format("two results would be called {}", output.path_for(file).string()),
                            "transcribe them into different folders");
            }
        }
        return output;
    }

    Result<void> write(const std::string& file, const std::string& text) const {
        if (!target_.empty()) {
            const auto path = path_for(file);
            std::ofstream out(path, std::ios::binary);
            out << text;
            out.close();
            if (!out)
                return fail(ErrorCode::io_error, std::format("{} cannot be written", path.string()),
                            "check the folder");
            return {};
        }
        if (several_ && format_ == ResponseFormat::text)
            say(paint(stdout, Colour::bold, std::format("==> {} <==", file)));
        say(text.ends_with('\n') ? std::string_view(text).substr(0, text.size() - 1) : text);
        return {};
    }

private:
    [[nodiscard]] fs::path path_for(const std::string& file) const {
        if (!folder_) return target_;
        return target_ / (file == "-" ? fs::path("stdin") : fs::path(file).stem()).concat(extension_of(format_));
    }

    fs::path target_{};
    bool folder_ = false;
    bool several_ = false;
    ResponseFormat format_{};
};

/// How every file of a call is to be heard and written.
struct Manner {
    TranscribeOptions options{};
    ResponseFormat format{};
    RenderOptions shape{};
    Channels channels = Channels::mix;
    DecodeLimits limits{};
    std::shared_ptr<const VadModel> vad_model{};
};

Manner manner_of(const TranscribeFlags& what, ResponseFormat format, const config::Server& standard,
                 std::shared_ptr<const VadModel> vad_model) {
    Manner manner{
        .options = what.options,
        .format = format,
        .shape = {.task = what.options.task,
                  .segments = true,
                  .words = what.options.word_timestamps,
                  .cues = {.max_line_width = what.max_line_width.value_or(standard.max_line_width),
                           .max_line_count = what.max_line_count.value_or(standard.max_line_count)}},
        .limits = {.max_length = Seconds(standard.max_audio_seconds), .cpu_time = Seconds(standard.decode_cpu_seconds)},
        .vad_model = std::move(vad_model)};
    if (const auto channels = parse_channels(what.channels.empty() ? standard.channels : what.channels))
        manner.channels = *channels;
    if (needs_words(format, manner.shape)) manner.options.word_timestamps = true;
    return manner;
}

Result<std::string> transcribe_one(const Lease& lease, const std::string& file, const Manner& manner) {
    const auto input = Input::find(file);
    if (!input) return std::unexpected(input.error());
    ProgressLine line;
    const auto label = file == "-" ? std::string("standard input") : fs::path(file).filename().string();
    const bool separate = manner.channels == Channels::separate;
    std::vector<Transcript> heard;
    for (int channels = 1; std::ssize(heard) < channels;) {
        const auto number = static_cast<int>(heard.size());
        auto audio = input->open(manner.limits, {.language = manner.options.language,
                                                 .channel = separate ? std::optional(number) : std::nullopt});
        if (!audio) return std::unexpected(std::move(audio.error()));
        if (const auto track = (*audio)->track(); track && separate) channels = track->channels;
        if (auto few = check_separate(channels); !few) return std::unexpected(std::move(few).error());
        const auto length = (*audio)->duration_hint();
        const auto progress = [&line, &label, length, number, channels](Seconds done) {
            line.draw(label, length && *length > Seconds::zero() ? (number + done / *length) / channels : -1);
        };
        progress({});
        auto cutter = make_file_cutter(manner.vad_model);
        if (!cutter) return std::unexpected(std::move(cutter).error());
        Request request{
            .audio = std::move(*audio), .cutter = *std::move(cutter), .options = manner.options, .id = label};
        request.on_segment = [progress](const Segment& segment) { progress(segment.end); };
        auto transcript = lease.transcribe(std::move(request));
        if (!transcript) return std::unexpected(std::move(transcript.error()));
        heard.push_back(*std::move(transcript));
    }
    const auto whole = separate ? joined(std::move(heard)) : std::move(heard.front());
    return render(whole, manner.format, manner.shape);
}

/// The worst is what hurts most to overlook: our defects, then the engine, the model, the audio, the request.
int worse(int one, int other) {
    const auto rank = [](int code) {
        constexpr std::array order{0, 2, 3, 4, 5, 6, 7, 1};
        return std::ranges::find(order, code) - order.begin();
    };
    return rank(one) >= rank(other) ? one : other;
}

/// Standard input as something that has a path.
class NamedInput {
public:
    static Result<NamedInput> read() {
        NamedInput input;
        input.fd_ = memfd_create("hotmic-stdin", MFD_CLOEXEC);
        std::vector<char> part(1 << 16);
        while (const auto count = std::fread(part.data(), 1, part.size(), stdin)) {
            if (!system::write_all(input.fd_, std::as_bytes(std::span(part).first(count))))
                return fail(ErrorCode::io_error, "standard input does not fit into memory");
        }
        if (std::ferror(stdin)) return fail(ErrorCode::io_error, "standard input cannot be read");
        return input;
    }
    NamedInput(NamedInput&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    NamedInput& operator=(NamedInput&&) = delete;
    ~NamedInput() {
        if (fd_ >= 0) close(fd_);
    }
    [[nodiscard]] std::string path() const { return std::format("/proc/self/fd/{}", fd_); }

private:
    NamedInput() = default;
    int fd_ = -1;
};

Result<std::string> ask_server(Remote& remote, const std::string& file, const TranscribeFlags& what,
                               ResponseFormat format) {
    std::error_code ignored;
    if (file != "-" && !fs::is_regular_file(file, ignored))
        return fail(ErrorCode::invalid_request, "there is no such file", "check the path");
    std::optional<NamedInput> input;
    if (file == "-") {
        auto read = NamedInput::read();
        if (!read) return std::unexpected(std::move(read).error());
        input.emplace(*std::move(read));
    }
    const auto& options = what.options;
    RemoteRequest request{
        .path = options.task == Task::translate ? "/v1/audio/translations" : "/v1/audio/transcriptions",
        .timeout = std::chrono::seconds::zero()};
    auto& upload = request.upload.emplace(input ? fs::path(input->path()) : fs::path(file),
                                          file == "-" ? "stdin" : fs::path(file).filename().string());
    upload.fields = {{"model", what.model},
                     {"response_format", std::string(name_of(format))},
                     {"temperature", std::format("{}", options.temperature)}};
    if (!options.prompt.empty()) upload.fields.emplace_back("prompt", options.prompt);
    for (const auto& language : options.languages) upload.fields.emplace_back("languages[]", language);
    if (options.tag_audio_events) upload.fields.emplace_back("tag_audio_events", "true");
    if (!options.language.empty()) upload.fields.emplace_back("language", options.language);
    if (!what.channels.empty()) upload.fields.emplace_back("channels", what.channels);
    if (options.word_timestamps) upload.fields.emplace_back("timestamp_granularities[]", "word");
    if (is_subtitles(format)) {
        if (what.max_line_width) upload.fields.emplace_back("max_line_width", std::to_string(*what.max_line_width));
        if (what.max_line_count) upload.fields.emplace_back("max_line_count", std::to_string(*what.max_line_count));
    }
    ProgressLine line;
    line.draw(file == "-" ? "standard input" : fs::path(file).filename().string(), -1);
    auto text = remote.call(request);
    line.clear();
    return text;
}

int transcribe_remotely(const TranscribeFlags& what, ResponseFormat format, const Output& output) {
    auto remote = Remote::make(what.server, what.key, "--key, or in HOTMIC_API_KEY");
    if (!remote) return report(remote.error());
    int worst = 0;
    for (const auto& file : what.files) {
        const auto text = ask_server(*remote, file, what, format);
        const auto written = text ? output.write(file, *text) : std::unexpected(text.error());
        if (written) continue;
        if (!text && text.error().code == ErrorCode::io_error) return report_remote(text.error());
        worst = worse(worst, report(file, written.error()));
    }
    return worst;
}

}  // namespace

int transcribe(const ConfigFlags& flags, const TranscribeFlags& what, const ProviderRegistry& providers) {
    auto format = parse_response_format(what.format == "txt" ? "text" : what.format);
    if (!format) return report(format.error());
    const auto output = Output::plan(what, *format);
    if (!output) return report(output.error());

    if (!what.server.empty()) return transcribe_remotely(what, *format, *output);

    // One shot: the first file is the first inference anyway, so warming up would only come before it.
    auto own = flags;
    own.settings.insert(own.settings.begin(), {{"models.*.warmup.level", "0", "hotmic transcribe"},
                                               {"models.*.retry.max_attempts", "1", "hotmic transcribe"}});
    const auto loaded = load_config(own, true);
    if (!loaded) return report(loaded.error());
    const auto vad_model = load_vad_model(find_vad_model(loaded->config.server.vad_model, loaded->config.models_dir));
    if (!vad_model) return report(vad_model.error());
    auto single = make_single_model(*loaded, providers);
    if (!single) return report(single.error());
    auto& manager = *(*single)->manager;
    if (auto ready = make_ready(manager); !ready) return report(ready.error());

    const auto manner = manner_of(what, *format, loaded->config.server, *vad_model);
    int worst = 0;
    for (const auto& file : what.files) {
        auto lease = manager.acquire();
        if (!lease) return worse(worst, report(lease.error()));
        const auto text = transcribe_one(*lease, file, manner);
        *lease = {};
        if (!text) {
            worst = worse(worst, report(file, text.error()));
            if (text.error().code != ErrorCode::model_lost || &file == &what.files.back()) continue;
            // The engine died of this file; the others get a new one.
            if (auto gone = manager.unload(deadline_in(std::chrono::minutes(1))); !gone)
                return worse(worst, report(gone.error()));
            if (auto again = make_ready(manager); !again) return worse(worst, report(again.error()));
        } else if (auto written = output->write(file, *text); !written) {
            worst = worse(worst, report(file, written.error()));
        }
    }
    return worst;
}

}  // namespace hotmic::cli
