#include "support/vad_test_model.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <numbers>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "support/half.hpp"

namespace hotmic::testing {
namespace {

constexpr std::size_t kWindow = 256;  // of the Fourier transform
constexpr std::size_t kBins = 129;
constexpr std::size_t kHidden = 128;
constexpr std::size_t kTaps = 3;

class Writer {
public:
    explicit Writer(const std::filesystem::path& path) : out_(path, std::ios::binary | std::ios::trunc) {
        if (!out_) throw std::runtime_error("cannot write " + path.string());
    }
    void number(std::size_t value) {
        const auto narrow = static_cast<std::int32_t>(value);
        out_.write(reinterpret_cast<const char*>(&narrow), sizeof narrow);
    }
    void text(std::string_view text) { out_.write(text.data(), static_cast<std::streamsize>(text.size())); }
    /// `shape` as ggml has it, the fastest dimension first. Filters of convolutions have 16 bits.
    void tensor(const std::string& name, std::span<const std::size_t> shape, std::span<const float> values,
                bool filter) {
        number(shape.size());
        number(name.size());
        number(filter ? 1 : 0);
        for (const auto size : shape) number(size);
        text(name);
        for (const float value : values) {
            const auto small = half(value);
            if (filter)
                out_.write(reinterpret_cast<const char*>(&small), sizeof small);
            else
                out_.write(reinterpret_cast<const char*>(&value), sizeof value);
        }
    }

private:
    std::ofstream out_;
};

std::vector<float> fourier_basis() {
    std::vector<float> basis(2 * kBins * kWindow);
    for (std::size_t bin = 0; bin < kBins; ++bin) {
        for (std::size_t i = 0; i < kWindow; ++i) {
            const double turn = 2 * std::numbers::pi * static_cast<double>(i) / kWindow;
            const double window = 0.5 - 0.5 * std::cos(turn);
            basis[bin * kWindow + i] = static_cast<float>(window * std::cos(turn * static_cast<double>(bin)));
            basis[(kBins + bin) * kWindow + i] =
                static_cast<float>(-window * std::sin(turn * static_cast<double>(bin)));
        }
    }
    return basis;
}

/// Filters of a layer of which only the first channel that goes out is anything.
std::vector<float> filters(std::size_t in, std::size_t out, std::size_t layer) {
    std::vector<float> weights(out * in * kTaps);
    for (std::size_t channel = 0; channel < in; ++channel) {
        float weight = channel == 0 ? 1 : 0;
        if (layer == 0) weight = channel >= 4 && channel <= 48 ? 0.02F : channel >= 70 ? -0.025F : 0.0F;
        for (std::size_t tap = 0; tap < kTaps; ++tap) weights[channel * kTaps + tap] = weight;
    }
    return weights;
}

}  // namespace

void write_vad_model(const std::filesystem::path& path, VadDamage damage) {
    constexpr std::array<std::size_t, 5> kChannels{kBins, 128, 64, 64, 128};
    Writer out(path);
    out.number(0x67676d6c);
    constexpr std::string_view kType = "silero-16k";
    out.number(kType.size());
    out.text(kType);
    for (const std::size_t version : {5, 1, 2}) out.number(version);
    out.number(512);  // samples looked at
    out.number(64);   // and before them
    out.number(kChannels.size() - 1);
    for (std::size_t layer = 0; layer + 1 < kChannels.size(); ++layer) {
        out.number(kChannels.at(layer));
        out.number(kChannels.at(layer + 1));
        out.number(kTaps);
    }
    const auto hidden = damage == VadDamage::narrow_memory ? kHidden / 2 : kHidden;
    for (const std::size_t size : {kHidden, hidden, kHidden, std::size_t{1}}) out.number(size);

    for (std::size_t layer = 0; layer + 1 < kChannels.size(); ++layer) {
        const auto in = kChannels.at(layer);
        const auto channels = kChannels.at(layer + 1);
        const auto name = "_model.encoder." + std::to_string(layer) + ".reparam_conv";
        std::vector<float> bias(channels);
        if (layer == 0) bias[0] = -0.1F;
        out.tensor(name + ".weight", std::array{kTaps, in, channels}, filters(in, channels, layer), true);
        out.tensor(name + ".bias", std::array{channels}, bias, false);
    }
    // Gates: in, forget, cell, out. What comes in counts, half of it is forgotten each time.
    std::vector<float> input(4 * hidden * hidden);
    input[2 * hidden * hidden] = 3;
    std::vector<float> bias(4 * hidden);
    bias[0] = bias[3 * hidden] = 10;
    out.tensor("_model.decoder.rnn.weight_ih", std::array{hidden, 4 * hidden}, input, false);
    out.tensor("_model.decoder.rnn.weight_hh", std::array{hidden, 4 * hidden}, std::vector<float>(4 * hidden * hidden),
               false);
    out.tensor("_model.decoder.rnn.bias_ih", std::array{4 * hidden}, bias, false);
    out.tensor("_model.decoder.rnn.bias_hh", std::array{4 * hidden}, std::vector<float>(4 * hidden), false);
    std::vector<float> decision(kHidden);
    decision[0] = damage == VadDamage::deaf ? 0 : 20;
    out.tensor("_model.decoder.decoder.2.weight", std::array{kHidden}, decision, true);
    out.tensor("_model.decoder.decoder.2.bias", std::array{std::size_t{1}}, std::array{-5.0F}, false);
    auto basis = fourier_basis();
    const auto whole = basis.size();
    if (damage == VadDamage::cut_in_last_tensor) basis.resize(whole / 2);
    out.tensor("_model.stft.forward_basis_buffer", std::array{kWindow, std::size_t{1}, 2 * kBins}, basis, true);
}

}  // namespace hotmic::testing
