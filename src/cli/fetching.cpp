#include "cli/fetching.hpp"

#include <spdlog/spdlog.h>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "store/catalogue.hpp"
#include "store/downloads.hpp"
#include "store/library.hpp"
#include "store/pull.hpp"
#include "system/mutex.hpp"

namespace hotmic::cli {
namespace {

class Fetching final : public Provider {
public:
    Fetching(std::string name, store::Entry entry, store::Library library, store::PullSettings settings,
             std::shared_ptr<store::Downloads> downloads, ChooseLoader choose)
        : name_(std::move(name)),
          entry_(std::move(entry)),
          library_(std::move(library)),
          settings_(std::move(settings)),
          downloads_(std::move(downloads)),
          choose_(std::move(choose)) {}

    std::string_view name() const noexcept override {
        const Lock lock(mutex_);
        return loader_ ? loader_->provider->name() : std::string_view(name_);
    }
    Availability availability() const override {
        const auto loader = found();
        return loader ? loader->provider->availability() : Availability{.available = true};
    }
    Capabilities capabilities() const override {
        const auto loader = found();
        return loader ? loader->provider->capabilities() : Capabilities{};
    }
    Result<ModelFileInfo> inspect(const ModelSpec&) const override {
        if (const auto loader = found()) return loader->provider->inspect(loader->spec);
        return ModelFileInfo{.kind = entry_.kind + " " + entry_.name,
                             .format = "to be downloaded",
                             .size = entry_.size(),
                             .languages = entry_.languages};
    }
    Result<ResourceEstimate> estimate(const ModelSpec&) const override {
        if (const auto loader = found()) return loader->provider->estimate(loader->spec);
        return ResourceEstimate{.weights = entry_.memory};
    }

    Result<void> prepare(const ModelSpec&, LoadProgress& progress, std::stop_token stop) override {
        const auto heard = [&](const store::PullProgress& now) { progress.report_download(now.done, now.total); };
        const auto pulled = downloads_->pull(entry_, library_, settings_, heard, stop);
        if (!pulled) return std::unexpected(pulled.error());
        if (!pulled->was_here) {
            progress.downloaded();
            spdlog::info("model downloaded model={} from=\"{}\" bytes={} path={}", entry_.name, pulled->model.source,
                         pulled->model.size().count(), pulled->model.folder.string());
            for (const auto& why : pulled->passed_over)
                spdlog::warn("source passed over model={} reason=\"{}\"", entry_.name, why);
            for (const auto& file : pulled->first_trust)
                spdlog::warn("nobody vouches for this file; trusted as it came model={} file={}", entry_.name, file);
        }
        auto chosen = choose_(pulled->model);
        if (!chosen) return std::unexpected(std::move(chosen).error());
        const Lock lock(mutex_);
        loader_ = *std::move(chosen);
        return {};
    }

    Result<std::unique_ptr<hotmic::Model>> load(const ModelSpec&, LoadProgress& progress,
                                                std::stop_token stop) override {
        const auto loader = found();
        if (!loader) return fail(ErrorCode::internal, "the model was not prepared");
        return loader->provider->load(loader->spec, progress, std::move(stop));
    }

private:
    [[nodiscard]] std::optional<Loader> found() const {
        const Lock lock(mutex_);
        return loader_;
    }

    const std::string name_;
    const store::Entry entry_;
    const store::Library library_;
    const store::PullSettings settings_;
    const std::shared_ptr<store::Downloads> downloads_;
    const ChooseLoader choose_;
    mutable Mutex mutex_;
    std::optional<Loader> loader_ HOTMIC_GUARDED_BY(mutex_){};  // once it is here
};

}  // namespace

std::shared_ptr<Provider> fetching_provider(std::string name, store::Entry entry, store::Library library,
                                            store::PullSettings settings, std::shared_ptr<store::Downloads> downloads,
                                            ChooseLoader choose) {
    return std::make_shared<Fetching>(std::move(name), std::move(entry), std::move(library), std::move(settings),
                                      std::move(downloads), std::move(choose));
}

}  // namespace hotmic::cli
