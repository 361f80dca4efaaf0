/// Configurations from text, in a folder of the test's own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "config/load.hpp"

namespace hotmic::config {

class ConfigTest : public testing::Test {
protected:
    void SetUp() override {
        const auto* test = testing::UnitTest::GetInstance()->current_test_info();
        folder_ = std::filesystem::temp_directory_path() /
                  (std::string("hotmic-config-") + test->name() + std::to_string(::getpid()));
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path write(const std::string& text, const std::string& name = "hotmic.toml") {
        std::ofstream(folder_ / name) << text;
        return folder_ / name;
    }
    Result<Loaded> load_text(const std::string& text, std::vector<Setting> flags = {},
                             std::map<std::string, std::string> environment = {}) {
        Sources sources;
        sources.file = write(text);
        sources.file_asked_by = "--config";
        sources.flags = std::move(flags);
        sources.environment = std::move(environment);
        return load(sources);
    }
    /// The message and remedy of the refusal that `text` must get.
    std::string refusal(const std::string& text, std::vector<Setting> flags = {},
                        std::map<std::string, std::string> env = {}) {
        const auto loaded = load_text(text, std::move(flags), std::move(env));
        if (loaded) return "(accepted)";
        EXPECT_EQ(loaded.error().code, ErrorCode::config_invalid);
        return loaded.error().describe();
    }

    std::filesystem::path folder_;
};

}  // namespace hotmic::config
