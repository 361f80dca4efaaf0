#include "config/print.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/schema.hpp"
#include "text/suggest.hpp"

namespace hotmic::config {
namespace {

using testing::HasSubstr;

Loaded some_configuration() {
    auto loaded = load({.environment = {{"HOME", "/home/ada"}, {"HOTMIC_SERVER_PORT", "9001"}},
                        .flags = {{"server.api_keys", "hunter2,swordfish", "--set"},
                                  {"models.*.warmup.ready_if.rtf_p95_below", "0.25", "--set"}}});
    EXPECT_TRUE(loaded) << loaded.error().describe();
    return *loaded;
}

TEST(ConfigPrint, ShowsValuesWithTheirOriginAndNeverASecret) {
    const auto loaded = some_configuration();
    for (const auto& text : {to_toml(loaded), to_json(loaded)}) {
        EXPECT_THAT(text, HasSubstr("9001"));
        EXPECT_THAT(text, HasSubstr("environment HOTMIC_SERVER_PORT"));
        EXPECT_THAT(text, HasSubstr("********"));
        EXPECT_THAT(text, testing::Not(HasSubstr("hunter2")));
        EXPECT_THAT(text, testing::Not(HasSubstr("swordfish")));
    }
}

TEST(ConfigPrint, WhatIsPrintedCanBeReadAgain) {
    const auto loaded = some_configuration();
    const auto file = std::filesystem::temp_directory_path() / ("hotmic-print-" + std::to_string(::getpid()) + ".toml");
    std::ofstream(file) << to_toml(loaded);
    auto again =
        load({.file = file, .file_asked_by = "--config", .flags = {{"models.*.warmup.level", "3", "--level"}}});
    std::filesystem::remove(file);
    // Level 3's settings are printed with the rest, so that the file is complete; only the level decides what runs.
    ASSERT_TRUE(again) << again.error().describe();
    auto one = loaded.config;
    auto other = again->config;
    for (const auto& key : keys()) {
        if (key.secret || key.path == "models.*.warmup.level") continue;
        EXPECT_EQ(read(key, one, one.models.at("default")), read(key, other, other.models.at("default"))) << key.path;
    }
}

TEST(ConfigPrint, TheDocumentationFileIsUpToDate) {
    std::ifstream file(HOTMIC_SOURCE_DIR "/docs/configuration.md");
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_EQ(text.str(), documentation()) << "run: hotmic config --docs > docs/configuration.md";
}

TEST(ConfigSchema, EveryDefaultIsInsideItsOwnRange) {
    Config config;
    Model model;
    for (const auto& key : keys()) {
        const auto value = read(key, config, model);
        if (std::holds_alternative<std::monostate>(value)) continue;
        EXPECT_TRUE(assign(key, value, config, model)) << key.path;
        EXPECT_FALSE(key.doc.empty()) << key.path;
    }
}

TEST(ConfigSuggest, CountsEdits) {
    EXPECT_EQ(edit_distance("", "abc"), 3U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    EXPECT_EQ(edit_distance("port", "port"), 0U);
    const std::vector<std::string> names{"server.port", "server.host"};
    EXPECT_EQ(closest("server.pot", names), "server.port");
    EXPECT_EQ(closest("entirely.different", names), std::nullopt);
}

}  // namespace
}  // namespace hotmic::config
