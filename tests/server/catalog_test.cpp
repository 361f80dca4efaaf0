#include "server/catalog.hpp"

#include <gmock/gmock.h>

#include "server/fallback.hpp"
#include "support/fake_provider.hpp"

namespace hotmic::server {
namespace {

using ::testing::HasSubstr;

/// Two models of the fake provider: "default" (also "whisper-1"), and "second".
class Catalog : public ::testing::Test {
protected:
    static constexpr auto kPatience = std::chrono::seconds(60);

    CatalogEntry entry(const std::string& name, std::vector<std::string> aliases, bool required,
                       const std::string& script = "fake:") {
        LifecycleOptions options;
        options.warmup.level = 0;
        options.retry.max_attempts = 1;
        ModelPlan plan{.spec = {.provider = "fake", .path = script},
                       .provider = hotmic::testing::make_fake_provider(),
                       .options = options};
        auto model = std::make_unique<ServedModel>(name, std::move(plan), memory_, journal_, jobs_);
        return {.name = name, .aliases = std::move(aliases), .required = required, .model = std::move(model)};
    }
    ModelCatalog& make(std::vector<CatalogEntry> entries) { return catalog_.emplace(std::move(entries), jobs_); }
    ModelCatalog& two(bool second_is_required) {
        std::vector<CatalogEntry> entries;
        entries.push_back(entry("default", {"whisper-1"}, true));
        entries.push_back(entry("second", {}, second_is_required));
        return make(std::move(entries));
    }
    Job ended(const Job& job) {
        auto now = jobs_.find(job.id);
        while (now && now->state == Job::State::running) {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
            now = jobs_.find(job.id);
        }
        return now.value_or(Job{});
    }

    Journal journal_;
    JobBook jobs_;
    MemoryBroker memory_{[] { return mebibytes(1 << 20); }};
    std::optional<ModelCatalog> catalog_;
};

TEST_F(Catalog, OfTwoThatDeleteTheLastTwoModelsAtOnceOneIsRefused) {
    for (int round = 0; round < 50; ++round) {
        auto& catalog = two(true);
        std::atomic<int> gone = 0;
        {
            std::jthread one([&] { gone += catalog.remove("default") ? 1 : 0; });
            std::jthread other([&] { gone += catalog.remove("second") ? 1 : 0; });
        }
        EXPECT_EQ(gone, 1);
        EXPECT_EQ(catalog.entries().size(), 1U);
        EXPECT_TRUE(catalog.find(""));
    }
}

TEST_F(Catalog, FindsByNameByAliasAndTheFirstByNothing) {
    const auto& catalog = two(true);
    const auto first = catalog.entries()[0];
    const auto second = catalog.entries()[1];
    EXPECT_EQ(catalog.find("default").value(), first);
    EXPECT_EQ(catalog.find("whisper-1").value(), first);
    EXPECT_EQ(catalog.find("").value(), first);
    EXPECT_EQ(catalog.find("second").value(), second);
}

TEST_F(Catalog, NamesWhatThereIsWhenAskedForAnother) {
    const auto& catalog = two(true);
    for (const auto* name : {"Default", "whisper", "second ", "third"}) {
        const auto found = catalog.find(name);
        ASSERT_FALSE(found) << name;
        EXPECT_EQ(found.error().code, ErrorCode::model_not_found);
        EXPECT_EQ(found.error().param, "model");
        EXPECT_THAT(found.error().message, HasSubstr(name));
        for (const auto* known : {"default", "whisper-1", "second"})
            EXPECT_THAT(found.error().remedy, HasSubstr(known));
    }
}

TEST_F(Catalog, IsReadyWhenEveryRequiredModelIs) {
    const auto& catalog = two(true);
    EXPECT_FALSE(catalog.ready());
    ASSERT_TRUE(catalog.find("default").value()->model->initialize(deadline_in(kPatience)));
    EXPECT_FALSE(catalog.ready());
    ASSERT_TRUE(catalog.find("second").value()->model->initialize(deadline_in(kPatience)));
    EXPECT_TRUE(catalog.ready());
    ASSERT_TRUE(catalog.find("second").value()->model->unload(deadline_in(kPatience)));
    EXPECT_FALSE(catalog.ready());
}

TEST_F(Catalog, DoesNotWaitForWhatIsNotRequired) {
    const auto& catalog = two(false);
    ASSERT_TRUE(catalog.find("default").value()->model->initialize(deadline_in(kPatience)));
    EXPECT_TRUE(catalog.ready());
}

TEST_F(Catalog, IsNotReadyWithAModelInError) {
    std::vector<CatalogEntry> entries;
    entries.push_back(entry("default", {}, true, "fake:fail=load"));
    const auto& catalog = make(std::move(entries));
    ASSERT_FALSE(catalog.find("default").value()->model->initialize(deadline_in(kPatience)));
    EXPECT_FALSE(catalog.ready());
}

TEST_F(Catalog, WithNothingInItIsNotReady) {
    const auto& catalog = make({});
    EXPECT_FALSE(catalog.ready());
    EXPECT_FALSE(catalog.find(""));
}

TEST_F(Catalog, AnAddedModelIsFoundAndARemovedOneGivesItsMemoryBack) {
    auto& catalog = two(false);
    EXPECT_EQ(catalog.add(entry("third", {"whisper-1"}, true)).error().code, ErrorCode::invalid_request);
    const auto third = catalog.add(entry("third", {"3"}, true));
    ASSERT_TRUE(third);
    EXPECT_EQ(catalog.find("3").value(), *third);
    ASSERT_TRUE((*third)->model->initialize(deadline_in(kPatience)));

    const auto job = catalog.remove("third");
    ASSERT_TRUE(job);
    EXPECT_FALSE(catalog.find("third"));
    EXPECT_EQ(ended(*job).state, Job::State::succeeded);
    EXPECT_EQ((*third)->model->health().state, ModelState::uninitialized);
    EXPECT_EQ(catalog.remove("third").error().code, ErrorCode::model_not_found);
    ASSERT_TRUE(catalog.remove("default"));
    EXPECT_EQ(catalog.find("").value()->name, "second");
    EXPECT_EQ(catalog.remove("second").error().code, ErrorCode::invalid_request) << "the last one";
}

TEST_F(Catalog, ARemovedModelAnswersWhatItHasBegun) {
    auto& catalog = two(false);
    const auto entry = catalog.find("default").value();
    ASSERT_TRUE(entry->model->initialize(deadline_in(kPatience)));
    auto lease = entry->model->acquire();
    ASSERT_TRUE(lease);
    const auto job = catalog.remove("default");
    ASSERT_TRUE(job);
    EXPECT_TRUE(lease->transcribe({.audio = source_from_samples(std::vector<float>(1600, 0.1F))}));
    *lease = Lease();
    EXPECT_EQ(ended(*job).state, Job::State::succeeded);
}

/// "default", which fails, is stood in for by "second", then "third"; both are loaded on demand.
class Fallback : public Catalog {
protected:
    ModelCatalog& three(const std::string& first, const std::string& second = "fake:") {
        std::vector<CatalogEntry> entries;
        entries.push_back(entry("default", {}, true, first));
        entries.back().fallback = {"second", "third"};
        entries.push_back(entry("second", {}, false, second));
        entries.push_back(entry("third", {}, false));
        return make(std::move(entries));
    }
    ServedModel& model(std::string_view name) { return *catalog_->find(name).value()->model; }
    std::string server() { return catalog_->serving(catalog_->find("default").value())->name; }
    /// Returns when the catalog is served by `name`.
    void await_server(std::string_view name) {
        std::uint64_t seen = 0;
        const auto deadline = deadline_in(kPatience);
        while (server() != name && Clock::now() < deadline) {
            const auto news = journal_.wait_since(seen, deadline_in(std::chrono::milliseconds(20)));
            if (!news.empty()) seen = news.back().sequence;
        }
        EXPECT_EQ(server(), name);
    }
};

TEST_F(Fallback, AFailedModelIsStoodInForByTheFirstThatIsReady) {
    const auto& catalog = three("fake:fail=load");
    EXPECT_EQ(server(), "default");
    ASSERT_TRUE(model("third").initialize(deadline_in(kPatience)));
    EXPECT_EQ(server(), "third");
    EXPECT_TRUE(catalog.ready());
    ASSERT_TRUE(model("second").initialize(deadline_in(kPatience)));
    EXPECT_EQ(server(), "second");
}

TEST_F(Fallback, IsLoadedWhenItIsNeededAndLetGoWhenTheModelIsBack) {
    const auto& catalog = three("fake:fail=load&after=0");
    const Fallbacks fallbacks(catalog, journal_);
    EXPECT_FALSE(model("default").initialize(deadline_in(kPatience)));
    await_server("second");
    EXPECT_TRUE(catalog.ready());
    EXPECT_EQ(model("third").health().state, ModelState::uninitialized) << "one is enough";

    auto plan = model("default").plan();
    plan.spec.path = "fake:";
    EXPECT_EQ(ended(model("default").swap(std::move(plan), SwapStrategy::automatic)).state, Job::State::succeeded);
    EXPECT_EQ(server(), "default");
    std::uint64_t seen = 0;
    while (model("second").health().state != ModelState::uninitialized) {
        const auto news = journal_.wait_since(seen, deadline_in(std::chrono::milliseconds(20)));
        if (!news.empty()) seen = news.back().sequence;
    }
}

TEST_F(Fallback, ThatFailsItselfIsPassedOver) {
    const auto& catalog = three("fake:fail=load", "fake:fail=load");
    const Fallbacks fallbacks(catalog, journal_);
    model("default").start();
    await_server("third");
}

TEST_F(Fallback, OneThatWasLoadedAnywayStays) {
    const auto& catalog = three("fake:");
    const Fallbacks fallbacks(catalog, journal_);
    ASSERT_TRUE(model("second").initialize(deadline_in(kPatience)));
    ASSERT_TRUE(model("default").initialize(deadline_in(kPatience)));
    Fallbacks again(catalog, journal_);
    again.reconcile();
    EXPECT_TRUE(model("second").health().ready);
}

}  // namespace
}  // namespace hotmic::server
