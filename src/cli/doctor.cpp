#include <arpa/inet.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <format>
#include <glaze/glaze.hpp>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <utility>
#include <vector>

#include "audio/clip.hpp"
#include "cli/commands.hpp"
#include "cli/plan.hpp"
#include "cli/terminal.hpp"
#include "cli/vad_model.hpp"
#include "config/config.hpp"
#include "config/keys_file.hpp"
#include "config/model_choice.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/units.hpp"
#include "server/keys.hpp"
#include "system/sandbox.hpp"
#include "text/human_size.hpp"
#include "worker/decoders.hpp"
#include "worker/isolated_provider.hpp"

namespace hotmic::cli {
namespace wire {

struct Finding {
    std::string what;
    std::string verdict;  ///< "good", "could be better", "bad"
    std::string detail;
    std::string remedy{};
};

struct DoctorJson {
    bool healthy = false;
    std::vector<Finding> findings;
};

}  // namespace wire

namespace {

using wire::DoctorJson;
using wire::Finding;

constexpr auto kGood = "good";
constexpr auto kNote = "could be better";
constexpr auto kBad = "bad";

/// A machine looked over, one check per thing that a server needs.
class Examination {
public:
    Examination(const ConfigFlags& flags, const ProviderRegistry& providers) : flags_(flags), providers_(providers) {}

    int run() {
        configuration();
        providers();
        media();
        if (loaded_) {
            keys();
            sandbox();
            voice_detector();
            models();
            port();
            open_files();
        }
        return exit_code_;
    }

    [[nodiscard]] const std::vector<Finding>& findings() const noexcept { return findings_; }

private:
    void configuration() {
        auto loaded = load_config(flags_, true);
        if (!loaded) {
            bad("configuration", loaded.error());
            return;
        }
        loaded_ = std::move(*loaded);
        good("configuration", loaded_->file ? "read from " + loaded_->file->string() : "none found: defaults are used");
    }

    void keys() {
        const auto& file = loaded_->config.server.keys_file;
        if (file.empty()) return;
        const auto keys = server::Keys::load(loaded_->config.server);
        if (!keys) return bad("keys", keys.error());
        const auto all = (*keys)->all();
        const auto gone = std::ranges::count_if(all, [](const config::ApiKey& key) {
            return key.expires && *key.expires <= std::chrono::system_clock::now();
        });
        const auto text = std::format("{} of {} and the configuration", all.size(), file.string());
        if (gone == 0) return good("keys", text);
        note("keys", std::format("{}, {} of which have expired", text, gone),
             "take them out, or give them another date");
    }

    void providers() {
        bool any = false;
        std::vector<Finding> absent;
        for (const auto& provider : providers_.all()) {
            const auto here = provider->availability();
            const auto what = std::format("provider {}", provider->name());
            if (here.available) {
                any = true;
                good(what, here.version);
            } else {
                absent.push_back({what, kNote, here.reason, here.remedy});
            }
        }
        for (auto& each : absent) {
            if (!any) each.verdict = kBad;
            findings_.push_back(std::move(each));
        }
        if (!any) worsen(ErrorCode::provider_unavailable);
    }

    void media() {
        const auto& clip = audio::builtin_clip();
        worker::Decoders decoders(loaded_ ? decoder_options(loaded_->config) : worker::DecoderOptions{});
        auto source = decoders.open(media_in_memory(clip.encoded), audio::clip_limits(), {});
        auto samples = source ? read_all(**source) : std::unexpected(source.error());
        if (!samples) return bad("media decoding", samples.error());
        good("media decoding", std::format("the built-in clip decodes to {:.1f} s, in a process of its own",
                                           seconds_of(samples->size()).count()));
    }

    void sandbox() {
        const auto mode = confinement_of(loaded_->config).mode;
        const auto support = system::SandboxSupport::of_kernel();
        if (const auto enough = system::check(mode, support); !enough) return bad("sandbox", enough.error());
        if (mode == system::Sandbox::off) {
            return note("sandbox", "off: workers and decoders may do whatever the server may",
                        "set sandbox = \"try\", unless a driver does not bear it");
        }
        if (const auto lacks = support.lacks(); !lacks.empty())
            return note("sandbox", "this machine gives " + lacks,
                        "use a kernel with Landlock and seccomp, and allow both to the container");
        good("sandbox", std::format("seccomp, and Landlock {}{}", support.landlock_abi,
                                    support.landlock_abi < 6 ? " (6 guards signals, too)" : ""));
    }

    void voice_detector() {
        const auto path = find_vad_model(loaded_->config.server.vad_model, loaded_->config.models_dir);
        if (path.empty()) return note("voice detector", kNoVadModel, kGetVadModel);
        const auto loaded = load_vad_model(path);
        if (!loaded) return bad("voice detector", loaded.error());
        good("voice detector", path.string() + " tells speech from silence");
    }

    void models() {
        auto available = MemoryBroker().available();
        bool any_worker = false;
        for (const auto& [name, wanted] : loaded_->config.models) {
            const auto choice = model(name, wanted, available);
            if (!choice || !wanted.isolate || any_worker) continue;
            any_worker = true;
            worker_process(*choice);
        }
    }

    /// Looks one model up; what it needs is taken from `available`, where it loads with the server.
    std::optional<config::Choice> model(const std::string& name, const config::Model& wanted, Bytes& available) {
        const bool several = loaded_->config.models.size() > 1;
        const auto what = [&](const std::string& word) { return several ? std::format("{} {}", word, name) : word; };
        auto choice = choose_model(wanted, loaded_->config, providers_, available);
        if (!choice) {
            bad(what("model"), choice.error());
            return {};
        }
        auto info = choice->provider->inspect(choice->spec);
        if (!info) {
            bad(what("model"), info.error());
            return {};
        }
        good(what("model"), choice->reason);
        for (const auto& each : choice->passed_over) note(what("model") + " passed over", each, "");
        if (choice->spec.provider == "pocketsphinx" && name == loaded_->model) {
            note(
                "model quality", "PocketSphinx is the fallback: it mishears far more words than a Whisper model does",
                std::format("`hotmic pull base` fetches a Whisper model into {}", loaded_->config.models_dir.string()));
        }
        const auto needs = choice->provider->estimate(choice->spec);
        if (!needs) {
            bad(what("memory"), needs.error());
            return std::move(*choice);
        }
        const auto text =
            std::format("the model needs {}, {} are available", human_size(needs->total()), human_size(available));
        if (needs->total() > available) {
            bad(what("memory"), {ErrorCode::insufficient_memory, text,
                                 several ? "choose a smaller model or fewer slots, load it on demand, or give it more "
                                           "memory"
                                         : "choose a smaller model or fewer slots, or give it more memory"});
        } else {
            good(what("memory"), text);
        }
        if (wanted.load == "start") available -= needs->total();
        return std::move(*choice);
    }

    /// Starts a worker and has it refuse a file that does not exist: it lives, listens and answers.
    void worker_process(const config::Choice& choice) {
        auto spec = choice.spec;
        spec.path = "/nonexistent/hotmic-doctor";
        spec.sha256.clear();
        LoadProgress progress("doctor");
        const auto loaded = worker::isolate(choice.provider, {.confinement = confinement_of(loaded_->config)})
                                ->load(spec, progress, {});
        const bool spoke = !loaded && loaded.error().code != ErrorCode::worker_start_failed &&
                           loaded.error().code != ErrorCode::worker_crashed;
        if (!loaded && !spoke) return bad("worker process", loaded.error());
        good("worker process", "starts and answers");
    }

    void port() {
        const auto& server = loaded_->config.server;
        const auto where = std::format("{}:{}", server.host, server.port);
        addrinfo hints{};
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        if (const int error = ::getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found);
            error != 0) {
            return bad("address", {ErrorCode::config_invalid,
                                   std::format("{} is no address here: {}", server.host, ::gai_strerror(error)),
                                   "use 127.0.0.1 or 0.0.0.0", "server.host"});
        }
        const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
        const int fd = ::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol);
        const int yes = 1;
        const bool bound = fd >= 0 && ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                           ::bind(fd, found->ai_addr, found->ai_addrlen) == 0 && ::listen(fd, 1) == 0;
        const int error = errno;
        if (fd >= 0) ::close(fd);
        if (bound) return good("address", where + " is free");
        bad("address", {error == EADDRINUSE ? ErrorCode::address_in_use : ErrorCode::config_invalid,
                        std::format("{} cannot be listened on: {}", where, std::strerror(error)),
                        std::format("`ss -ltnp 'sport = :{0}'` shows who has it; or choose another: --port {1}",
                                    server.port, server.port + 1),
                        "server.port"});
    }

    void open_files() {
        // A connection each, and what the process itself keeps open.
        constexpr rlim_t own = 128;
        rlimit limit{};
        if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
        const auto needed = rlim_t{loaded_->config.server.max_connections} + own;
        if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= needed) {
            return good("open files", std::format("{} are needed at most, {} are allowed", needed, limit.rlim_max));
        }
        bad("open files",
            {ErrorCode::config_invalid,
             std::format("server.max_connections = {} needs {} open files, {} are allowed",
                         loaded_->config.server.max_connections, needed, limit.rlim_max),
             std::format(
                 "raise the limit (`ulimit -Hn {}`, or LimitNOFILE= of the service), or lower server.max_connections",
                 needed)});
    }

    void good(std::string what, std::string detail) {
        findings_.push_back({std::move(what), kGood, std::move(detail)});
    }
    void note(std::string what, std::string detail, std::string remedy) {
        findings_.push_back({std::move(what), kNote, std::move(detail), std::move(remedy)});
    }
    void bad(std::string what, const Error& error) {
        findings_.push_back({std::move(what), kBad, error.message, error.remedy});
        worsen(error.code);
    }
    /// 7 (the configuration) says more about what to do than 5 (the model), which says more than others.
    void worsen(ErrorCode code) {
        const int found = exit_code_of(code);
        if (exit_code_ != 7) exit_code_ = found == 7 ? 7 : 5;
    }

    const ConfigFlags& flags_;
    const ProviderRegistry& providers_;
    std::optional<config::Loaded> loaded_{};
    std::vector<Finding> findings_{};
    int exit_code_ = 0;
};

}  // namespace

int doctor(const ConfigFlags& flags, bool json, const ProviderRegistry& providers) {
    Examination examination(flags, providers);
    const int code = examination.run();
    if (json) {
        std::println(
            "{}",
            glz::write<glz::opts{.prettify = true}>(DoctorJson{code == 0, examination.findings()}).value_or("{}"));
        return code;
    }
    for (const auto& [what, verdict, detail, remedy] : examination.findings()) {
        const bool is_good = verdict == kGood;
        const auto mark = is_good            ? paint(stdout, Colour::green, "✓")
                          : verdict == kNote ? paint(stdout, Colour::yellow, "•")
                                             : paint(stdout, Colour::red, "✗");
        std::println("{} {}: {}", mark, what, detail);
        if (!remedy.empty()) std::println("    → {}", remedy);
    }
    std::println("{}", code == 0 ? "Everything that a server needs is here." : "Something is missing; see ✗ above.");
    return code;
}

}  // namespace hotmic::cli
