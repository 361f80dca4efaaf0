// The commands that talk to a running server: models, load, unload, swap.
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <format>
#include <glaze/glaze.hpp>
#include <map>
#include <print>
#include <ranges>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "cli/admin_client.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "config/schema.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "text/human_size.hpp"
#include "text/suggest.hpp"

namespace hotmic::cli {
namespace {

namespace fs = std::filesystem;

/// Between two looks at a job.
constexpr std::chrono::milliseconds kLook{100};

/// What else there is to say about a model.
std::string remark(const RemoteModel& model) {
    std::string text;
    const auto add = [&](const std::string& more) { text += (text.empty() ? "" : "; ") + more; };
    if (model.served_by && !model.served_by->empty() && *model.served_by != model.name)
        add("served by " + *model.served_by);
    if (model.successor) add("a successor is being made ready");
    if (model.reason && !model.reason->empty()) add(*model.reason);
    return text;
}

Colour colour_of(const RemoteModel& model) {
    if (model.ready) return Colour::green;
    return model.state == "ERROR" ? Colour::red : Colour::yellow;
}

void print_table(const std::vector<RemoteModel>& models) {
    std::vector<std::vector<std::string>> rows{{"model", "state", "provider", "memory", "requests", "instance", ""}};
    for (const auto& model : models) {
        rows.push_back({model.name, model.state, model.provider.value_or("-"),
                        model.resident_bytes > 0 ? human_size(Bytes(model.resident_bytes)) : "-",
                        std::format("{}", model.requests), model.instance.value_or("-"), remark(model)});
        if (rows.back()[5].empty()) rows.back()[5] = "-";
    }
    // Coloured line by line: the columns are aligned by what is seen.
    const auto text = aligned(rows);
    std::size_t line = 0;
    for (const auto part : std::views::split(std::string_view(text).substr(0, text.size() - 1), '\n')) {
        const std::string_view row(part);
        say(line == 0 ? paint(stdout, Colour::dim, row) : paint(stdout, colour_of(models[line - 1]), row));
        ++line;
    }
}

/// Tells each step of a job until it has ended. Returns the exit code.
int follow(AdminClient& client, RemoteJob job, const std::string& model, std::string_view done) {
    std::string told;
    while (true) {
        if (!job.step.empty() && job.step != told) {
            complain(std::format("{:9.3f} s  {}", job.duration_ms / 1000, job.step));
            told = job.step;
        }
        if (job.state != "running") break;
        std::this_thread::sleep_for(kLook);
        auto now = client.job(job.id);
        if (!now) return report_remote(now.error());
        job = std::move(*now);
    }
    if (job.state == "succeeded") {
        const auto instance =
            job.instance && !job.instance->empty() ? std::format(" ({})", *job.instance) : std::string{};
        say(std::format("{}: {} in {}{}", model, done, human_time(from_ms(job.duration_ms)), instance));
        return 0;
    }
    if (job.state == "superseded") {
        complain(std::format("hotmic: {}: a newer request has taken the place of {}; `hotmic models` shows what serves",
                             model, job.id));
        return kServing;
    }
    return report(model, error_of(job));
}

int run_job(const AdminFlags& server, const std::string& model, const std::string& action,
            const std::map<std::string, config::Value>& body, bool wait, std::string_view done) {
    auto client = AdminClient::make(server);
    if (!client) return report(client.error());
    auto job = client->begin(model, action, body);
    if (!job) return report_remote(job.error());
    if (wait) return follow(*client, std::move(*job), model, done);
    say(job->id);
    return 0;
}

/// A file of this folder as the server finds it, too; anything else is the server's to understand.
std::string where_the_server_sees(const std::string& path) {
    std::error_code error;
    const auto here = fs::absolute(path, error);
    return !error && fs::exists(here, error) ? here.lexically_normal().string() : path;
}

/// The typed value of a key of a model, from a flag. Errors: config_invalid.
Result<config::Value> value_of(const std::string& name, const std::string& text) {
    constexpr std::string_view prefix = "models.*.";
    std::vector<std::string> known;
    for (const auto& key : config::keys()) {
        if (!key.path.starts_with(prefix)) continue;
        known.emplace_back(key.path.substr(prefix.size()));
        if (known.back() != name) continue;
        auto value = config::parse_text(key, text);
        if (value) return std::move(*value);
        return fail(ErrorCode::config_invalid, std::format("--set {}: {}", name, value.error()), "", name);
    }
    const auto nearest = closest(name, known);
    return fail(
        ErrorCode::config_invalid, std::format("--set {}: a model has no such key", name),
        nearest ? std::format("did you mean {}?", *nearest) : "`hotmic config --docs` lists them under [models.*]",
        name);
}

}  // namespace

int models(const AdminFlags& server, bool json) {
    auto client = AdminClient::make(server);
    if (!client) return report(client.error());
    if (json) {
        const auto told = client->models_json();
        if (!told) return report_remote(told.error());
        std::println("{}", glz::prettify_json(*told));
        return 0;
    }
    const auto told = client->models();
    if (!told) return report_remote(told.error());
    print_table(*told);
    return 0;
}

int load_model(const AdminFlags& server, const JobFlags& what) {
    return run_job(server, what.model, "load", {}, what.wait, "READY");
}

int unload_model(const AdminFlags& server, const JobFlags& what) {
    return run_job(server, what.model, "unload", {}, what.wait, "unloaded");
}

int swap_model(const AdminFlags& server, const SwapFlags& what) {
    std::map<std::string, config::Value> body;
    for (const auto& [name, text] : what.settings) {
        auto value = value_of(name, text);
        if (!value) return report(value.error());
        body[name] = std::move(*value);
    }
    if (!what.path.empty()) body["path"] = where_the_server_sees(what.path);
    if (!what.provider.empty()) body["provider"] = what.provider;
    if (!what.strategy.empty()) body["strategy"] = what.strategy;
    return run_job(server, what.job.model, "swap", body, what.job.wait, "swapped and READY");
}

}  // namespace hotmic::cli
