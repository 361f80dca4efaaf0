#include "config/fill_in.hpp"

#include <filesystem>
#include <format>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "config/load.hpp"
#include "config/sources.hpp"
#include "hotmic/error.hpp"
#include "store/catalogue.hpp"
#include "store/library.hpp"

namespace hotmic::config {
namespace {

namespace fs = std::filesystem;
using From = Origin::From;

class FillingIn {
public:
    FillingIn(Loaded& loaded, const Sources& sources) : loaded_(loaded), sources_(sources) {}

    std::vector<Error> run() {
        anchor_paths();
        if (loaded_.config.models_dir.empty()) find_models_dir();
        know_models();
        anchor_models();
        if (loaded_.config.default_model.empty())
            loaded_.origins["default_model"].where =
                loaded_.config.models.size() > 1 ? "the one of that name" : "the only one";
        loaded_.config.default_model = loaded_.model;
        share_aliases();
        return std::move(problems_);
    }

private:
    [[nodiscard]] bool is_from_file(const std::string& key) { return loaded_.origins[key].from == From::file; }

    /// A path in the file is relative to the file's folder, wherever the program runs.
    void anchor(fs::path& path) const { path = (loaded_.file->parent_path() / path).lexically_normal(); }
    void anchor(fs::path& path, const std::string& key) {
        if (is_from_file(key) && !path.empty() && path.is_relative()) anchor(path);
    }

    void anchor_paths() {
        auto& config = loaded_.config;
        anchor(config.server.vad_model, "server.vad_model");
        anchor(config.server.keys_file, "server.keys_file");
        anchor(config.server.upload_dir, "server.upload_dir");
        anchor(config.jobs.dir, "jobs.dir");
        if (is_from_file("models_dir") && config.models_dir.is_relative()) anchor(config.models_dir);
        anchor(config.catalogue, "catalogue");
        for (auto& [name, model] : config.models)
            anchor(model.lifecycle.warmup.clip, std::format("models.{}.warmup.clip", name));
    }

    void find_models_dir() {
        const auto variable = [&](const std::string& name) -> fs::path {
            const auto found = sources_.environment.find(name);
            return found == sources_.environment.end() ? "" : found->second;
        };
        const auto data = variable("XDG_DATA_HOME");
        const auto home = variable("HOME");
        const auto base = !data.empty() ? data : home.empty() ? fs::path("/var/lib") : home / ".local/share";
        loaded_.config.models_dir = base / "hotmic" / "models";
    }

    /// A model's path may also be a name that leads to it.
    void anchor_models() {
        for (auto& [name, model] : loaded_.config.models) {
            if (!is_from_file(std::format("models.{}.path", name)) || model.path.empty() || model.path.is_absolute())
                continue;
            auto there = model.path;
            anchor(there);
            std::error_code ignored;
            if (fs::exists(there, ignored) || !is_known(model.path.string())) model.path = std::move(there);
        }
    }

    void know_models() {
        auto known = store::Catalogue::load(loaded_.config.catalogue);
        if (known)
            loaded_.config.known_models = std::make_shared<const store::Catalogue>(*std::move(known));
        else
            problems_.push_back(std::move(known).error());
    }

    /// A name that leads to a model, of the catalogue or of the store.
    [[nodiscard]] bool is_known(const std::string& name) const {
        const auto& config = loaded_.config;
        if (config.known_models && config.known_models->find(name) != nullptr) return true;
        return store::Library(config.models_dir).find(name).has_value();
    }

    /// "whisper-1" is the default model's, unless another one claims it or is called that.
    void share_aliases() {
        std::set<std::string> taken;
        for (const auto& [name, model] : loaded_.config.models) {
            taken.insert(name);
            if (origin_of_aliases(name).from != From::standard) taken.insert_range(model.aliases);
        }
        for (auto& [name, model] : loaded_.config.models) {
            auto& origin = origin_of_aliases(name);
            if (origin.from != From::standard) continue;
            if (name == loaded_.model) {
                std::erase_if(model.aliases, [&](const auto& alias) { return taken.contains(alias); });
                if (model.aliases.empty()) origin.where = "another model has the name whisper-1";
                if (name == "whisper-1") origin.where = "it has the name whisper-1";
            } else {
                model.aliases.clear();
                origin.where = "not the default model";
            }
        }
    }

    Origin& origin_of_aliases(const std::string& name) {
        return loaded_.origins[std::format("models.{}.aliases", name)];
    }

    Loaded& loaded_;
    const Sources& sources_;
    std::vector<Error> problems_{};
};

}  // namespace

std::vector<Error> fill_in(Loaded& loaded, const Sources& sources) {
    return FillingIn(loaded, sources).run();
}

}  // namespace hotmic::config
