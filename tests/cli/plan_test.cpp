#include "cli/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <format>
#include <fstream>

#include "support/fake_provider.hpp"

namespace hotmic::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

config::Model section(const std::string& path) {
    config::Model model;
    model.provider = "fake";
    model.path = path;
    model.isolate = false;
    return model;
}

/// Takes any file, and needs as much memory as it is long.
class Files final : public Provider {
public:
    std::string_view name() const noexcept override { return "files"; }
    Availability availability() const override { return {.available = true}; }
    Capabilities capabilities() const override { return {}; }
    Result<ModelFileInfo> inspect(const ModelSpec& spec) const override {
        if (spec.path.empty()) return fail(ErrorCode::model_file_missing, "no model of its own");
        return ModelFileInfo{.kind = "file", .format = "x", .size = Bytes(std::filesystem::file_size(spec.path))};
    }
    Result<ResourceEstimate> estimate(const ModelSpec& spec) const override {
        return ResourceEstimate{.weights = Bytes(std::filesystem::file_size(spec.path))};
    }
    Result<std::unique_ptr<Model>> load(const ModelSpec&, LoadProgress&, std::stop_token) override {
        return fail(ErrorCode::load_failed, "planning loads nothing");
    }
};

class Plans : public ::testing::Test {
protected:
    Result<std::map<std::string, ModelPlan>> make(Bytes memory = Bytes(1'000'000'000)) {
        return make_plans(loaded_, providers_, memory, std::make_shared<store::Downloads>());
    }

    std::shared_ptr<Provider> fake_ = hotmic::testing::make_fake_provider();
    ProviderRegistry providers_{{fake_}};
    config::Loaded loaded_{};
};

TEST_F(Plans, EachModelGetsTheChoiceAndOptionsOfItsOwnSection) {
    loaded_.config.models["default"] = section("fake:text=a");
    loaded_.config.models["b"] = section("fake:text=b");
    loaded_.config.models["b"].slots = 3;
    loaded_.config.models["b"].load = "demand";
    loaded_.config.models["b"].lifecycle.max_waiting = 7;
    const auto plans = make();
    ASSERT_TRUE(plans) << plans.error().describe();
    ASSERT_THAT(*plans, ::testing::SizeIs(2));
    const auto& [a, b] = std::tie(plans->at("default"), plans->at("b"));
    EXPECT_EQ(a.spec.path, "fake:text=a");
    EXPECT_EQ(a.provider, fake_);
    EXPECT_FALSE(a.options.load_on_demand);
    EXPECT_EQ(a.reason, "configured");
    EXPECT_EQ(b.spec.slots, 3);
    EXPECT_TRUE(b.options.load_on_demand);
    EXPECT_EQ(b.options.max_waiting, 7U);
}

TEST_F(Plans, AnIsolatedModelRunsInAWorkerOfItsProvider) {
    loaded_.config.models["default"] = section("fake:");
    loaded_.config.models["default"].isolate = true;
    const auto plans = make();
    ASSERT_TRUE(plans) << plans.error().describe();
    EXPECT_NE(plans->at("default").provider, fake_);
    EXPECT_EQ(plans->at("default").provider->name(), "fake");
}

TEST_F(Plans, NothingToChooseForARequiredModelEndsTheStartAndNamesIt) {
    loaded_.config.models["default"] = {.provider = "files", .path = "/proc/self/exe"};
    loaded_.config.models["b"].provider = "auto";
    loaded_.config.models_dir = "/nonexistent/hotmic";
    const auto plans =
        make_plans(loaded_, ProviderRegistry({std::make_shared<Files>()}), {}, std::make_shared<store::Downloads>());
    ASSERT_FALSE(plans);
    EXPECT_EQ(plans.error().code, ErrorCode::model_file_missing);
    EXPECT_THAT(plans.error().message, AllOf(HasSubstr("model b"), HasSubstr("/nonexistent/hotmic")));
}

TEST_F(Plans, AChoiceSeesTheMemoryThatTheOthersLeave) {
    const auto folder = std::filesystem::temp_directory_path() / std::format("hotmic-plans-{}", ::getpid());
    std::filesystem::create_directories(folder / "models");
    const auto file = [&](const std::string& name, std::size_t bytes) {
        std::ofstream(folder / name) << std::string(bytes, 'x');
        return folder / name;
    };
    file("models/large", 200);
    file("models/small", 100);
    loaded_.config.models_dir = folder / "models";
    loaded_.config.models["default"].isolate = false;
    loaded_.config.models["named"] = {.provider = "files", .path = file("named", 100), .isolate = false};
    const ProviderRegistry providers({std::make_shared<Files>()});

    const auto picked = [&](std::uint64_t memory) {
        const auto plans = make_plans(loaded_, providers, Bytes(memory), std::make_shared<store::Downloads>());
        return plans ? plans->at("default").spec.path.filename().string() : plans.error().describe();
    };
    EXPECT_EQ(picked(300), "large");
    EXPECT_EQ(picked(299), "small");
    loaded_.config.models["named"].load = "demand";
    EXPECT_EQ(picked(299), "large");
    std::filesystem::remove_all(folder);
}

TEST_F(Plans, NothingToChooseForAnotherOneIsKeptAsTheReasonItFails) {
    loaded_.config.models["default"] = section("");
    loaded_.config.models["default"].provider = "auto";
    loaded_.config.models["default"].required = false;
    loaded_.config.models_dir = "/nonexistent/hotmic";
    const auto plans = make_plans(loaded_, ProviderRegistry({}), {}, std::make_shared<store::Downloads>());
    ASSERT_TRUE(plans) << plans.error().describe();
    const auto& plan = plans->at("default");
    EXPECT_THAT(plan.reason, HasSubstr("nothing could be chosen"));
    LoadProgress progress;
    const auto load = plan.provider->load(plan.spec, progress, {});
    ASSERT_FALSE(load);
    EXPECT_EQ(load.error().code, ErrorCode::model_file_missing);
    EXPECT_THAT(load.error().message, HasSubstr("/nonexistent/hotmic"));
    EXPECT_FALSE(plan.provider->estimate(plan.spec));
}

TEST_F(Plans, AnUnknownProviderIsAMistakeWhereverItStands) {
    loaded_.config.models["default"] = section("fake:");
    loaded_.config.models["b"] = section("x");
    loaded_.config.models["b"].provider = "telepathy";
    loaded_.config.models["b"].required = false;
    const auto plans = make();
    ASSERT_FALSE(plans);
    EXPECT_EQ(plans.error().code, ErrorCode::provider_unknown);
    EXPECT_THAT(plans.error().message, AllOf(HasSubstr("model b"), HasSubstr("telepathy")));
}

}  // namespace
}  // namespace hotmic::cli
