#include "server/catalog.hpp"

#include <gmock/gmock.h>

#include "support/fake_provider.hpp"

namespace hotmic::server {
namespace {

using ::testing::HasSubstr;

/// Two models of the fake provider: "default" (also "whisper-1"), and "second".
class Catalog : public ::testing::Test {
protected:
    static constexpr auto kPatience = std::chrono::seconds(60);

    CatalogEntry entry(std::string name, std::vector<std::string> aliases, bool required,
                       const std::string& script = "fake:") {
        LifecycleOptions options;
        options.warmup.level = 0;
        options.retry.max_attempts = 1;
        auto manager =
            std::make_unique<ModelManager>(name, ModelSpec{.provider = "fake", .path = script},
                                           hotmic::testing::make_fake_provider(), options, memory_, journal_);
        return {.name = std::move(name),
                .aliases = std::move(aliases),
                .required = required,
                .manager = std::move(manager)};
    }
    ModelCatalog two(bool second_is_required) {
        std::vector<CatalogEntry> entries;
        entries.push_back(entry("default", {"whisper-1"}, true));
        entries.push_back(entry("second", {}, second_is_required));
        return ModelCatalog(std::move(entries));
    }

    Journal journal_;
    MemoryBroker memory_{[] { return std::uint64_t{1} << 40; }};
};

TEST_F(Catalog, FindsByNameByAliasAndTheFirstByNothing) {
    const auto catalog = two(true);
    const auto* first = catalog.entries()[0].manager.get();
    const auto* second = catalog.entries()[1].manager.get();
    EXPECT_EQ(catalog.find("default").value(), first);
    EXPECT_EQ(catalog.find("whisper-1").value(), first);
    EXPECT_EQ(catalog.find("").value(), first);
    EXPECT_EQ(catalog.find("second").value(), second);
}

TEST_F(Catalog, NamesWhatThereIsWhenAskedForAnother) {
    const auto catalog = two(true);
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
    const auto catalog = two(true);
    EXPECT_FALSE(catalog.ready());
    ASSERT_TRUE(catalog.find("default").value()->initialize(in(kPatience)));
    EXPECT_FALSE(catalog.ready());
    ASSERT_TRUE(catalog.find("second").value()->initialize(in(kPatience)));
    EXPECT_TRUE(catalog.ready());
    ASSERT_TRUE(catalog.find("second").value()->unload(in(kPatience)));
    EXPECT_FALSE(catalog.ready());
}

TEST_F(Catalog, DoesNotWaitForWhatIsNotRequired) {
    const auto catalog = two(false);
    ASSERT_TRUE(catalog.find("default").value()->initialize(in(kPatience)));
    EXPECT_TRUE(catalog.ready());
}

TEST_F(Catalog, IsNotReadyWithAModelInError) {
    std::vector<CatalogEntry> entries;
    entries.push_back(entry("default", {}, true, "fake:fail=load"));
    const ModelCatalog catalog(std::move(entries));
    ASSERT_FALSE(catalog.find("default").value()->initialize(in(kPatience)));
    EXPECT_FALSE(catalog.ready());
}

TEST_F(Catalog, WithNothingInItIsNotReady) {
    const ModelCatalog catalog({});
    EXPECT_FALSE(catalog.ready());
    EXPECT_FALSE(catalog.find(""));
}

}  // namespace
}  // namespace hotmic::server
