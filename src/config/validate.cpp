#include "config/validate.hpp"

#include <algorithm>
#include <filesystem>
#include <format>
#include <map>
#include <ranges>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/keywords.hpp"
#include "asr/languages.hpp"
#include "audio/formats.hpp"
#include "config/config.hpp"
#include "config/listen_address.hpp"
#include "config/load.hpp"
#include "hotmic/error.hpp"
#include "hotmic/warmup.hpp"
#include "text/suggest.hpp"

namespace hotmic::config {
namespace {

using From = Origin::From;

/// Looking at values, and blaming keys for them.
class Settling {
public:
    explicit Settling(Loaded& loaded) : loaded_(loaded) {}

protected:
    /// `small` must not exceed `large`. A small one that is only a default gives way.
    void fit(const std::string& small_key, milliseconds& small, const std::string& large_key, milliseconds large,
             std::string_view why) {
        if (small <= large) return;
        if (!is_set(small_key)) {
            small = large;
            loaded_.origins[small_key].where = "lowered to " + large_key;
            return;
        }
        const auto note = is_set(large_key) ? "" : " (the default)";
        blame(small_key,
              std::format("{} = {} is more than {} = {}{}: {}", small_key, small.count(), large_key, large.count(),
                          note, why),
              std::format("lower {} or raise {}", small_key, large_key));
    }

    [[nodiscard]] bool is_set(const std::string& path) { return loaded_.origins[path].from != From::standard; }
    /// "models.default.sha256 (hotmic.toml:7)"
    [[nodiscard]] std::string named(const std::string& path) {
        const auto& origin = loaded_.origins[path];
        return std::format("{} ({})", path, origin.from == From::standard ? "by default" : origin.where);
    }
    void blame(std::string key, std::string message, std::string remedy) {
        problems_.push_back({ErrorCode::config_invalid, std::move(message), std::move(remedy), std::move(key)});
    }

    Loaded& loaded_;
    std::vector<Error> problems_{};
};

class SettlingServer : Settling {
public:
    using Settling::Settling;

    std::vector<Error> run() {
        auto& server = loaded_.config.server;
        if (server.host.empty())
            blame("server.host", "server.host is empty", "use 127.0.0.1, or 0.0.0.0 for every interface");
        if (std::ranges::contains(server.api_keys, std::string{})) {
            blame("server.api_keys", "server.api_keys holds an empty key, which every client would present",
                  "remove it, or use [] to need no key");
        }
        if (!server.admin_key.empty() && std::ranges::contains(server.api_keys, server.admin_key)) {
            blame("server.admin_key",
                  std::format("{} is also one of {}, so that every client may administer", named("server.admin_key"),
                              named("server.api_keys")),
                  "choose another admin key");
        }
        listeners();
        const auto& audio = loaded_.config.audio;
        if (auto taken = audio::check({.containers = audio.containers, .codecs = audio.codecs}); !taken)
            problems_.push_back(std::move(taken).error());
        for (const auto& path : loaded_.config.worker_paths) {
            if (std::filesystem::path(path).is_absolute()) continue;
            blame("worker_paths", std::format("worker_paths names {:?}, which is relative to nothing", path),
                  "write the whole path, from /");
        }
        traces();
        fit("server.drain_delay_ms", server.drain_delay, "server.shutdown_timeout_ms", server.shutdown_timeout,
            "the drain alone would take all the time there is to stop");
        return std::move(problems_);
    }

private:
    void traces() {
        const auto& endpoint = loaded_.config.traces.endpoint;
        if (endpoint.empty() || endpoint.starts_with("http://") || endpoint.starts_with("https://")) return;
        blame("traces.endpoint",
              std::format("{} is \"{}\", which is no URL of HTTP", named("traces.endpoint"), endpoint),
              "write the whole URL, like http://127.0.0.1:4318/v1/traces (OTLP over gRPC is not spoken)");
    }

    void listeners() {
        const auto& server = loaded_.config.server;
        const auto needs = [&](const std::string& key, const std::filesystem::path& file, const std::string& other,
                               const std::filesystem::path& other_file) {
            if (file.empty() || !other_file.empty()) return;
            blame(other, std::format("{} is set but {} is not", named(key), other), "set both, or neither");
        };
        needs("server.tls_certificate", server.tls_certificate, "server.tls_key", server.tls_key);
        needs("server.tls_key", server.tls_key, "server.tls_certificate", server.tls_certificate);
        needs("server.tls_client_ca", server.tls_client_ca, "server.tls_certificate", server.tls_certificate);
        if (!server.admin_listen.empty() && !listen_address(server.admin_listen)) {
            blame("server.admin_listen",
                  std::format("{} is \"{}\", where nothing can be listened on", named("server.admin_listen"),
                              server.admin_listen),
                  "write HOST:PORT, like 127.0.0.1:8091, or unix:/run/hotmic/admin.sock");
        }
    }
};

class SettlingModel : Settling {
public:
    SettlingModel(Loaded& loaded, const std::string& name)
        : Settling(loaded), name_(name), model_(loaded.config.models.at(name)) {}

    std::vector<Error> run() {
        file();
        names();
        languages();
        hotwords();
        timeouts();
        warmup();
        return std::move(problems_);
    }

private:
    void file() {
        auto& digest = model_.sha256;
        std::ranges::transform(digest, digest.begin(), [](char c) { return c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c; });
        const bool hex =
            std::ranges::all_of(digest, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
        if (!digest.empty() && (digest.size() != 64 || !hex)) {
            blame(of_model("sha256"), std::format("{} must be 64 hexadecimal digits", set_by("sha256")),
                  "`sha256sum FILE` prints them");
        } else if (!digest.empty() && model_.path.empty()) {
            blame(of_model("sha256"),
                  std::format("{} is set but {} is not: a digest says nothing of a model that is picked",
                              set_by("sha256"), of_model("path")),
                  std::format("set {} to the file that the digest belongs to", of_model("path")));
        }
        if (model_.provider.empty()) blame(of_model("provider"), of_model("provider") + " is empty", "use \"auto\"");
        if (model_.provider == "pocketsphinx" && model_.backend == "gpu") {
            blame(of_model("backend"),
                  std::format("{} asks for a GPU, but {} = \"pocketsphinx\" computes on the CPU only",
                              set_by("backend"), of_model("provider")),
                  "use backend = \"auto\"");
        }
    }

    void names() {
        std::set<std::string> seen{name_};
        for (const auto& alias : model_.aliases) {
            if (alias.empty()) {
                blame(of_model("aliases"), of_model("aliases") + " holds an empty name", "remove it");
            } else if (!seen.insert(alias).second) {
                blame(of_model("aliases"),
                      std::format("{} holds \"{}\", which already names the model", set_by("aliases"), alias),
                      "every name once is enough");
            }
        }
    }

    /// Names and locales become codes. Whether the model knows them shows when it is asked.
    void languages() {
        auto& lifecycle = model_.lifecycle;
        const auto settle = [&](std::string_view key, std::string& language) {
            if (const auto code = language_of_locale(language))
                language = *code;
            else
                blame(of_model(key),
                      std::format("{} holds \"{}\", which is no language", set_by(std::string(key)), language),
                      "give ISO 639-1 codes or English names, such as de or german");
        };
        if (lifecycle.language == "auto") lifecycle.language.clear();
        if (!lifecycle.language.empty()) settle("language", lifecycle.language);
        for (auto& language : lifecycle.languages) settle("languages", language);
        if (problems_.empty() && !lifecycle.language.empty() && !lifecycle.languages.empty() &&
            !std::ranges::contains(lifecycle.languages, lifecycle.language)) {
            blame(of_model("language"),
                  std::format("{} is \"{}\", which {} does not hold", set_by("language"), lifecycle.language,
                              of_model("languages")),
                  "add it there, or leave language out to have it detected among them");
        }
    }

    void hotwords() {
        auto& lifecycle = model_.lifecycle;
        lifecycle.hotwords.clear();
        for (const auto& each : model_.hotwords) {
            auto parsed = parse_hotwords(each, "hotwords");
            if (parsed)
                lifecycle.hotwords.append_range(*std::move(parsed));
            else
                blame(of_model("hotwords"), std::format("{} holds {}", set_by("hotwords"), parsed.error().message),
                      parsed.error().remedy);
        }
        if (lifecycle.beam_size > model_.max_beam_size) {
            blame(of_model("beam_size"),
                  std::format("{} is {}, but {} is {}", set_by("beam_size"), lifecycle.beam_size,
                              of_model("max_beam_size"), model_.max_beam_size),
                  "raise max_beam_size, or ask for a narrower beam");
        }
    }

    void timeouts() {
        auto& lifecycle = model_.lifecycle;
        fit(of_model("stall_timeout_ms"), lifecycle.stall_timeout, of_model("load_timeout_ms"), lifecycle.load_timeout,
            "a stall would never be noticed before the load is stopped anyway");
        fit(of_model("retry.initial_backoff_ms"), lifecycle.retry.initial_backoff, of_model("retry.max_backoff_ms"),
            lifecycle.retry.max_backoff, "the first wait would already be longer than the longest");
    }

    void warmup() {
        auto& warmup = model_.lifecycle.warmup;
        const auto key = [this](std::string_view name) { return of_model("warmup." + std::string(name)); };
        fit(key("budget_ms"), warmup.budget, key("timeout_ms"), warmup.timeout,
            "a warmup within its budget would count as failed");
        fit(key("level2.min_duration_ms"), warmup.level2_min_duration, key("budget_ms"), warmup.budget,
            "the budget would end level 2 before its minimum");
        fit(key("level3.min_duration_ms"), warmup.level3_min_duration, key("budget_ms"), warmup.budget,
            "the budget would end level 3 before its minimum");
        needs_level(3, "warmup.level3.iterations");
        needs_level(3, "warmup.level3.min_duration_ms");
        needs_level(2, "warmup.level2.min_duration_ms");
        needs_level(1, "warmup.validate");
        needs_level(1, "warmup.ready_if.rtf_p95_below");
        needs_level(1, "warmup.ready_if.latency_p95_below_ms");
        if (warmup.validate != Validate::transcribes && is_set(of_model("warmup.max_word_error_rate"))) {
            blame(of_model("warmup.max_word_error_rate"),
                  std::format("{} has no effect, because {} does not look at words",
                              set_by("warmup.max_word_error_rate"), set_by("warmup.validate")),
                  "use validate = \"transcribes\", or remove the rate");
        }
    }

    /// A setting of a level that does not run. A later source that lowers the level (`--level 1` over a file) only
    /// switches the settings below it off.
    void needs_level(int level, const std::string& name) {
        const auto& setting = loaded_.origins[of_model(name)];
        const auto& chosen = loaded_.origins[of_model("warmup.level")];
        if (setting.from == From::standard || model_.lifecycle.warmup.level >= level) return;
        if (chosen.from > setting.from) return;
        blame(of_model(name),
              std::format("{} has no effect, because {} is {}", set_by(name), set_by("warmup.level"),
                          model_.lifecycle.warmup.level),
              std::format("set {} = {}, or remove {}", of_model("warmup.level"), level, of_model(name)));
    }

    [[nodiscard]] std::string of_model(std::string_view key) const { return std::format("models.{}.{}", name_, key); }
    [[nodiscard]] std::string set_by(std::string_view key) { return named(of_model(key)); }

    const std::string& name_;
    Model& model_;
};

/// What models say about each other.
class SettlingNames : Settling {
public:
    using Settling::Settling;

    std::vector<Error> run() {
        aliases();
        for (const auto& [name, model] : models()) fallback(name, model);
        if (problems_.empty()) cycles();
        return std::move(problems_);
    }

private:
    /// A name leads to one model only.
    void aliases() {
        std::map<std::string, std::string> owners;
        for (const auto& [name, model] : models()) {
            for (const auto& alias : model.aliases) {
                const auto key = std::format("models.{}.aliases", name);
                if (alias != name && models().contains(alias)) {
                    blame(key,
                          std::format("{} holds \"{}\", which is the name of [models.{}]", named(key), alias, alias),
                          "remove it, or rename that model");
                }
                const auto [owner, fresh] = owners.emplace(alias, key);
                if (fresh || owner->second == key) continue;  // twice in one list has been told already
                blame(key, std::format("{} and {} both hold \"{}\"", named(owner->second), named(key), alias),
                      "keep it in one of them");
            }
        }
    }

    void fallback(const std::string& name, const Model& model) {
        const auto key = std::format("models.{}.fallback", name);
        std::set<std::string> seen;
        for (const auto& other : model.fallback) {
            if (other == name) {
                blame(key, std::format("{} holds \"{}\", the model itself", named(key), other), "remove it");
            } else if (!models().contains(other)) {
                const auto names = std::views::keys(models()) | std::ranges::to<std::vector<std::string>>();
                const auto nearest = closest(other, names);
                blame(key, std::format("{} holds \"{}\", but there is no such model", named(key), other),
                      nearest && *nearest != name ? std::format("did you mean {}?", *nearest)
                                                  : std::format("add [models.{}], or remove it", other));
            } else if (!seen.insert(other).second) {
                blame(key, std::format("{} holds \"{}\" twice", named(key), other), "every name once is enough");
            }
        }
    }

    /// A model that stands in for itself, by way of others.
    void cycles() {
        std::set<std::string> done;
        for (const auto& name : std::views::keys(models())) {
            std::vector<std::string> way;
            if (follow(name, way, done)) return;  // one at a time: others may be the same circle
        }
    }

    bool follow(const std::string& name, std::vector<std::string>& way, std::set<std::string>& done) {
        if (const auto begin = std::ranges::find(way, name); begin != way.end()) {
            std::string circle;
            for (const auto& each : std::ranges::subrange(begin, way.end())) circle += each + " → ";
            const auto key = std::format("models.{}.fallback", way.back());
            blame(key, std::format("{} leads in a circle: {}{}", named(key), circle, name),
                  std::format("remove {} from it, or break the circle elsewhere", name));
            return true;
        }
        if (!done.insert(name).second) return false;
        way.push_back(name);
        const bool found =
            std::ranges::any_of(models().at(name).fallback, [&](const auto& next) { return follow(next, way, done); });
        way.pop_back();
        return found;
    }

    std::map<std::string, Model>& models() { return loaded_.config.models; }
};

}  // namespace

Error in_one(std::vector<Error> problems) {
    if (problems.size() == 1) return std::move(problems.front());
    Error all{ErrorCode::config_invalid, std::format("{} problems with the configuration:", problems.size()), "",
              problems.front().param};
    for (const auto& each : problems) all.message += "\n  " + each.describe();
    return all;
}

std::vector<Error> settle_model(Loaded& loaded, const std::string& name) {
    return SettlingModel(loaded, name).run();
}

std::vector<Error> settle(Loaded& loaded) {
    auto problems = SettlingServer(loaded).run();
    for (const auto& name : std::views::keys(loaded.config.models)) problems.append_range(settle_model(loaded, name));
    problems.append_range(SettlingNames(loaded).run());
    return problems;
}

}  // namespace hotmic::config
