/// The commands. Each prints what it has to say and returns the exit code.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/admin_client.hpp"
#include "config/load.hpp"
#include "config/sources.hpp"
#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::cli {

/// What every command that reads the configuration was given: --config, --set and their short forms.
struct ConfigFlags {
    std::string file{};
    std::vector<config::Setting> settings{};
};

/// Reads the configuration and sets the log up accordingly. `quiet`: no log lines unless a log level was asked for: the
/// command itself tells what matters.
[[nodiscard]] Result<config::Loaded> load_config(const ConfigFlags& flags, bool quiet);

/// "hotmic: message; remedy" on stderr. Returns the exit code.
int report(const Error& error);
/// The same about one of several things.
int report(const std::string& about, const Error& error);

/// Exit code for whose turn it is when no server answers, or a newer swap has taken over: the one of serving.
inline constexpr int kServing = 6;
/// As `report`, for what came of asking a server: one that does not answer is `kServing`.
int report_remote(const Error& error);

int serve(const ConfigFlags& flags, const ProviderRegistry& providers);

struct TranscribeFlags {
    std::vector<std::string> files;  ///< "-" is standard input
    std::string format = "txt";
    std::string output{};  ///< file or folder; empty: standard output
    TranscribeOptions options{};
    std::string channels{};               ///< mix, separate; empty: as configured
    std::optional<int> max_line_width{};  ///< of subtitles; none: as configured
    std::optional<int> max_line_count{};  ///< of subtitles; none: as configured
    std::string server{};                 ///< URL of one that is to do it; empty: done here
    std::string key{};                    ///< for that server
    std::string model{};                  ///< of that server; empty: its default
};
int transcribe(const ConfigFlags& flags, const TranscribeFlags& what, const ProviderRegistry& providers);

struct ListenFlags {
    bool piped = false;      ///< 16-bit samples on standard input instead of a microphone
    std::string device{};    ///< microphone, or a part of its name; empty: the system's choice
    int rate = kSampleRate;  ///< of piped samples, Hz
    int channels = 1;        ///< of piped samples
    TranscribeOptions options{};
    bool json = false;  ///< every event as a line of JSON
    bool list = false;  ///< only name the microphones
};
int listen(const ConfigFlags& flags, const ListenFlags& what, const ProviderRegistry& providers);

int warmup(const ConfigFlags& flags, bool json, const ProviderRegistry& providers);

int inspect(const std::string& path, const std::string& provider, bool json, const ProviderRegistry& providers);

int providers(bool json, const ProviderRegistry& providers);

struct PullFlags {
    std::string what{};      ///< name, URL, list, rm or verify
    std::string of{};        ///< for rm and verify: which
    std::string name{};      ///< of a model that comes by URL
    std::string sha256{};    ///< of its file
    std::string wheels{};    ///< folder of wheels to take it out of
    bool packages = false;   ///< only say which packages have it
    bool trust_new = false;  ///< take a file that has changed since it first came
    bool suggest = false;    ///< only say which model suits this machine
    bool json = false;
};
int pull(const ConfigFlags& flags, const PullFlags& what);

struct ConfigCommandFlags {
    bool json = false;
    bool docs = false;
};
int config_command(const ConfigFlags& flags, const ConfigCommandFlags& what);

int doctor(const ConfigFlags& flags, bool json, const ProviderRegistry& providers);

/// Those that talk to a running server.
struct JobFlags {
    std::string model;
    bool wait = true;
};
struct SwapFlags {
    JobFlags job{};
    std::string path{};
    std::string provider{};
    std::string strategy{};                                       ///< empty: as the section says
    std::vector<std::pair<std::string, std::string>> settings{};  ///< keys of the model, as spelled
};
/// `watch`: until it is interrupted; drawn over and over on a terminal, else one line an event.
int status(const AdminFlags& server, bool watch);
/// Whether requests are served now; if not, `kServing`. Needs no key.
int readiness(const AdminFlags& server);
int models(const AdminFlags& server, bool json);
int load_model(const AdminFlags& server, const JobFlags& what);
int unload_model(const AdminFlags& server, const JobFlags& what);
int swap_model(const AdminFlags& server, const SwapFlags& what);

int version(bool json, const ProviderRegistry& providers);

}  // namespace hotmic::cli
