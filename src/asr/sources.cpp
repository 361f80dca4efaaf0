#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic {
namespace {

class ViewSource : public AudioSource {
public:
    explicit ViewSource(AudioView samples) : left_(samples), total_(samples.size()) {}

    Result<std::size_t> read(std::span<float> out) override {
        const auto count = std::min(out.size(), left_.size());
        std::ranges::copy(left_.first(count), out.begin());
        left_ = left_.subspan(count);
        return count;
    }
    [[nodiscard]] std::optional<Seconds> duration_hint() const override { return seconds_of(total_); }

private:
    AudioView left_;
    std::size_t total_;
};

class SamplesSource final : public AudioSource {
public:
    explicit SamplesSource(std::vector<float> samples) : samples_(std::move(samples)), view_(samples_) {}
    Result<std::size_t> read(std::span<float> out) override { return view_.read(out); }
    [[nodiscard]] std::optional<Seconds> duration_hint() const override { return view_.duration_hint(); }

private:
    std::vector<float> samples_;
    ViewSource view_;
};

}  // namespace

std::unique_ptr<AudioSource> source_from_view(AudioView samples) {
    return std::make_unique<ViewSource>(samples);
}

std::unique_ptr<AudioSource> source_from_samples(std::vector<float> samples) {
    return std::make_unique<SamplesSource>(std::move(samples));
}

Result<std::vector<float>> read_all(AudioSource& source) {
    constexpr std::size_t kStep = kSampleRate * 10;
    std::vector<float> samples;
    while (true) {
        const auto before = samples.size();
        samples.resize(before + kStep);
        const auto got = source.read(std::span(samples).subspan(before));
        if (!got) return std::unexpected(got.error());
        samples.resize(before + *got);
        if (*got < kStep) return samples;
    }
}

}  // namespace hotmic
