#include "config/model_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <format>
#include <fstream>

namespace hotmic::config {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// Recognizes files by their extension; needs ten times the file's size. Has a model of its own where `own` is set.
class ExtensionProvider : public Provider {
public:
    ExtensionProvider(std::string name, std::string extension, bool own)
        : name_(std::move(name)), extension_(std::move(extension)), own_(own) {}

    std::string_view name() const noexcept override { return name_; }
    Availability availability() const override {
        if (!missing.empty()) return {.reason = missing, .remedy = "install it"};
        return {.available = true};
    }
    Capabilities capabilities() const override { return {}; }
    Result<ModelFileInfo> inspect(const ModelSpec& spec) const override {
        if (spec.path.empty()) {
            if (own_) return ModelFileInfo{.kind = name_ + " own", .format = extension_};
            return fail(ErrorCode::model_file_missing, name_ + " has no model of its own");
        }
        if (!fs::exists(spec.path)) return fail(ErrorCode::model_file_missing, spec.path.string() + " does not exist");
        if (spec.path.extension() != extension_) return fail(ErrorCode::model_not_recognized, "not of " + name_);
        if (spec.path.filename().string().contains("broken")) return fail(ErrorCode::model_truncated, "ends early");
        return ModelFileInfo{.kind = name_ + " model", .format = extension_, .size = Bytes(fs::file_size(spec.path))};
    }
    Result<ResourceEstimate> estimate(const ModelSpec& spec) const override {
        auto info = inspect(spec);
        if (!info) return std::unexpected(info.error());
        return ResourceEstimate{.weights = info->size * 10};
    }
    Result<std::unique_ptr<hotmic::Model>> load(const ModelSpec&, LoadProgress&, std::stop_token) override {
        return fail(ErrorCode::load_failed, "choosing loads nothing");
    }

    std::string missing;

private:
    std::string name_;
    std::string extension_;
    bool own_;
};

class Auto : public testing::Test {
protected:
    Auto() : folder_(fs::temp_directory_path() / std::format("hotmic-auto-{}", ::getpid())) {
        fs::create_directories(folder_);
    }
    ~Auto() override { fs::remove_all(folder_); }

    fs::path file(const std::string& name, std::size_t bytes) {
        std::ofstream(folder_ / name) << std::string(bytes, 'x');
        return folder_ / name;
    }
    Result<Choice> choose_from(const Model& model, std::uint64_t memory = 1'000'000) {
        return choose(model, folder_, ProviderRegistry({big_, small_}), Bytes(memory));
    }

    fs::path folder_;
    std::shared_ptr<ExtensionProvider> big_ = std::make_shared<ExtensionProvider>("big", ".big", false);
    std::shared_ptr<ExtensionProvider> small_ = std::make_shared<ExtensionProvider>("small", ".small", true);
};

TEST_F(Auto, TakesTheLargestIntactModelOfTheFirstProvider) {
    file("a.big", 100);
    file("b.big", 200);
    file("broken.big", 300);
    file("c.small", 400);
    file("notes.txt", 500);
    const auto choice = choose_from({});
    ASSERT_TRUE(choice) << choice.error().describe();
    EXPECT_EQ(choice->spec.path.filename(), "b.big");
    EXPECT_EQ(choice->spec.provider, "big");
    EXPECT_THAT(choice->reason, HasSubstr("largest of 3 models"));
    EXPECT_THAT(choice->passed_over, testing::Contains(HasSubstr("broken.big: ends early")));
}

TEST_F(Auto, PassesOverWhatDoesNotFitIntoMemory) {
    file("a.big", 100);
    file("b.big", 200);
    const auto choice = choose_from({}, 1500);
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->spec.path.filename(), "a.big");
    EXPECT_THAT(choice->passed_over, testing::Contains(HasSubstr("b.big: needs 2.0 kB")));
}

TEST_F(Auto, FallsBackToAProvidersOwnModel) {
    const auto choice = choose_from({});
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->spec.provider, "small");
    EXPECT_TRUE(choice->spec.path.empty());
    EXPECT_THAT(choice->reason, HasSubstr("holds none"));
}

TEST_F(Auto, NeverPicksAModelMadeForTests) {
    file("hotmic-numbers-tiny.big", 100);
    const auto choice = choose_from({});
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->spec.provider, "small");
}

TEST_F(Auto, ANamedProviderTakesAModelMadeForTestsWhenItHasNoOther) {
    file("hotmic-numbers-tiny.big", 100);
    const auto last = choose_from({.provider = "big"});
    ASSERT_TRUE(last);
    EXPECT_EQ(last->spec.path.filename(), "hotmic-numbers-tiny.big");
    file("a.big", 10);
    const auto better = choose_from({.provider = "big"});
    ASSERT_TRUE(better);
    EXPECT_EQ(better->spec.path.filename(), "a.big");
}

TEST_F(Auto, PassesOverAProviderThatCannotRun) {
    file("a.big", 100);
    big_->missing = "its library is missing";
    const auto choice = choose_from({});
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->spec.provider, "small");
    EXPECT_THAT(choice->passed_over, testing::Contains(HasSubstr("its library is missing")));
    // Named, it is still the file's provider: loading it then says what is missing.
    const auto named = choose_from({.path = folder_ / "a.big"});
    ASSERT_TRUE(named);
    EXPECT_EQ(named->spec.provider, "big");
    EXPECT_THAT(named->reason, HasSubstr("its library is missing"));
}

TEST_F(Auto, APathDecidesItsProviderAndTheMostTellingRefusalIsKept) {
    const auto chosen = choose_from({.path = file("x.small", 10)});
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->spec.provider, "small");
    const auto broken = choose_from({.path = file("broken.small", 10)});
    ASSERT_TRUE(broken);
    EXPECT_EQ(broken->spec.provider, "small");  // it knows that the file is broken; the other does not know the file
    EXPECT_THAT(broken->reason, HasSubstr("ends early"));
    const auto absent = choose_from({.path = folder_ / "absent"});
    ASSERT_TRUE(absent);
    EXPECT_THAT(absent->reason, HasSubstr("does not exist"));
}

TEST_F(Auto, ANamedProviderIsKeptAndAnUnknownOneRefused) {
    file("a.big", 10);
    const auto small = choose_from({.provider = "small"});
    ASSERT_TRUE(small);
    EXPECT_EQ(small->spec.provider, "small");
    EXPECT_EQ(choose_from({.provider = "nope"}).error().code, ErrorCode::provider_unknown);
    const auto both = choose_from({.provider = "small", .path = folder_ / "a.big", .slots = 3});
    ASSERT_TRUE(both);
    EXPECT_EQ(both->spec.slots, 3);
}

TEST_F(Auto, NothingAtAllSaysWhatWasTried) {
    file("broken.big", 10);
    const auto choice = choose_from({.provider = "big"});
    ASSERT_FALSE(choice);
    EXPECT_EQ(choice.error().code, ErrorCode::model_file_missing);
    EXPECT_THAT(choice.error().message, HasSubstr("broken.big: ends early"));
}

}  // namespace
}  // namespace hotmic::config
