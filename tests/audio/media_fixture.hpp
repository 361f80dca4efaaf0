/// What the tests of audio share: media made by the real ffmpeg, and ways to compare what comes out.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "audio/clip.hpp"
#include "hotmic/audio.hpp"

namespace hotmic {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using EncodedMedia = std::shared_ptr<const std::vector<std::byte>>;

inline EncodedMedia bytes_of(std::string_view text) {
    const auto view = std::as_bytes(std::span(text));
    return std::make_shared<const std::vector<std::byte>>(view.begin(), view.end());
}

inline std::string text_of(const fs::path& path) {
    std::ostringstream all;
    all << std::ifstream(path, std::ios::binary).rdbuf();
    return all.str();
}

inline Result<std::vector<float>> decode(const EncodedMedia& bytes, const DecodeLimits& limits = {}) {
    auto source = open_media(bytes, limits);
    if (!source) return std::unexpected(source.error());
    return read_all(**source);
}

inline ErrorCode error_of(const EncodedMedia& bytes, const DecodeLimits& limits = {}) {
    const auto samples = decode(bytes, limits);
    return samples ? ErrorCode::internal : samples.error().code;
}

inline double rms(AudioView audio) {
    double energy = 0;
    for (const float sample : audio) energy += static_cast<double>(sample) * sample;
    return std::sqrt(energy / static_cast<double>(std::max<std::size_t>(1, audio.size())));
}

/// Normalised correlation at the best of small delays, which encoders add.
inline double likeness(AudioView a, AudioView b) {
    double best = 0;
    const auto length = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size())) - 4000;
    for (std::ptrdiff_t delay = -1600; delay <= 1600; delay += 4) {
        double product = 0;
        double of_a = 1e-9;
        double of_b = 1e-9;
        for (std::ptrdiff_t i = 2000; i < length; i += 7) {
            const double x = a[static_cast<std::size_t>(i)];
            const double y = b[static_cast<std::size_t>(i + delay)];
            product += x * y;
            of_a += x * x;
            of_b += y * y;
        }
        best = std::max(best, product / std::sqrt(of_a * of_b));
    }
    return best;
}

class Media : public ::testing::Test {
protected:
    void SetUp() override { fs::create_directories(folder_); }
    void TearDown() override { fs::remove_all(folder_); }

    /// What ffmpeg makes of the clip. Empty, and a failure of the test, if it makes nothing.
    fs::path made_file(const std::string& arguments, const std::string& name) const {
        const auto out = folder_ / name;
        const auto command = "ffmpeg -nostdin -loglevel error -y -i '" HOTMIC_SOURCE_DIR
                             "/src/audio/clip/hotmic-clip.flac' " +
                             arguments + " '" + out.string() + "'";
        if (std::system(command.c_str()) == 0) return out;
        ADD_FAILURE() << "failed: " << command;
        return {};
    }
    std::string made(const std::string& arguments, const std::string& name) const {
        return text_of(made_file(arguments, name));
    }
    static bool have_ffmpeg() {
        static const bool have = std::system("ffmpeg -version > /dev/null 2>&1") == 0;
        return have;
    }

    const std::vector<float> original_ = decode(audio::builtin_clip().encoded).value();
    const fs::path folder_ = fs::temp_directory_path() / ("hotmic-media-" + std::to_string(getpid()));
};

/// A test that needs media of other programs skips, loudly, where there is none.
class MadeMedia : public Media {
protected:
    void SetUp() override {
        Media::SetUp();
        if (!have_ffmpeg()) GTEST_SKIP() << "NO FFMPEG: media of other programs is not tested here; apt install ffmpeg";
    }
};

}  // namespace hotmic
