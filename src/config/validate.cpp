#include "config/validate.hpp"

#include <algorithm>
#include <format>
#include <set>

#include "config/schema.hpp"

namespace hotmic::config {
namespace {

using From = Origin::From;

class Settling {
public:
    explicit Settling(Loaded& loaded) : loaded_(loaded), model_(loaded.config.models.at(loaded.model)) {}

    std::vector<Error> run() {
        server();
        file();
        names();
        timeouts();
        warmup();
        return std::move(problems_);
    }

private:
    void server() {
        auto& server = loaded_.config.server;
        if (server.host.empty())
            blame("server.host", "server.host is empty", "use 127.0.0.1, or 0.0.0.0 for every interface");
        if (std::ranges::contains(server.api_keys, std::string{})) {
            blame("server.api_keys", "server.api_keys holds an empty key, which every client would present",
                  "remove it, or use [] to need no key");
        }
        fit("server.drain_delay_ms", server.drain_delay, "server.shutdown_timeout_ms", server.shutdown_timeout,
            "the drain alone would take all the time there is to stop");
    }

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
        std::set<std::string> seen{loaded_.model};
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

    [[nodiscard]] std::string of_model(std::string_view name) const {
        return std::format("models.{}.{}", loaded_.model, name);
    }
    [[nodiscard]] bool is_set(const std::string& path) { return loaded_.origins[path].from != From::standard; }
    /// "models.default.sha256 (hotmic.toml:7)"
    [[nodiscard]] std::string set_by(std::string_view name) {
        const auto path = of_model(name);
        const auto& origin = loaded_.origins[path];
        return std::format("{} ({})", path, origin.from == From::standard ? "by default" : origin.where);
    }
    void blame(std::string key, std::string message, std::string remedy) {
        problems_.push_back({ErrorCode::config_invalid, std::move(message), std::move(remedy), std::move(key)});
    }

    Loaded& loaded_;
    Model& model_;
    std::vector<Error> problems_{};
};

}  // namespace

std::vector<Error> settle(Loaded& loaded) {
    return Settling(loaded).run();
}

}  // namespace hotmic::config
