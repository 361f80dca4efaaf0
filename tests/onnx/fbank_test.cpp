/// Kaldi's features: the same numbers as its own, however the audio comes.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "asr/providers/onnx/fbank.hpp"

namespace hotmic::onnx {
namespace {

constexpr std::size_t kBins = 80;

/// Two tones, and noise that is the same everywhere.
std::vector<float> tones() {
    std::vector<float> samples(4000);
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double angle = 2 * std::numbers::pi * static_cast<double>(i) / kSampleRate;
        const double noise = static_cast<double>(i * 7919 % 1009) / 1009 - 0.5;
        samples[i] =
            static_cast<float>(0.3 * std::sin(440 * angle) + 0.1 * std::sin(1234.5 * angle + 0.7) + 0.02 * noise);
    }
    return samples;
}

std::vector<float> features(AudioView audio, std::size_t at_once, FbankKind kind = FbankKind::kaldi) {
    Fbank fbank(kBins, kind);
    FbankStream stream;
    std::vector<float> made;
    for (; !audio.empty(); audio = audio.subspan(std::min(at_once, audio.size())))
        stream.feed(audio.first(std::min(at_once, audio.size())), fbank, made);
    return made;
}

struct Reference {
    std::size_t frame;
    std::vector<float> values;  ///< every eighth bin
};

/// Against what kaldi-native-fbank 1.23 (PyPI) computes of these samples: OnlineFbank, dither = 0, snip_edges = False,
/// 80 bins.
void expect(const std::vector<Reference>& references, FbankKind kind) {
    const auto made = features(tones(), 4000, kind);
    ASSERT_EQ(made.size(), 24 * kBins);
    for (const auto& [frame, values] : references) {
        for (std::size_t i = 0; i < values.size(); ++i)
            EXPECT_NEAR(made[frame * kBins + 8 * i], values[i], 1e-3) << "frame " << frame << ", bin " << 8 * i;
    }
}

TEST(OnnxFbank, HasTheNumbersOfNemo) {
    // window_type = "hann", remove_dc_offset = False, is_librosa = True, low_freq = 0, high_freq = 8000.
    expect(
        {
            {0,
             {-8.97708F, -3.89839F, -5.09954F, -9.40765F, -1.55259F, -6.0957F, -7.32725F, -7.75969F, -8.92517F,
              -8.2829F}},
            {1,
             {-15.94238F, -7.85415F, -12.11084F, -12.63884F, -1.2122F, -13.42952F, -6.98659F, -12.18498F, -9.82712F,
              -8.95417F}},
            {10,
             {-15.94238F, -7.84515F, -11.776F, -12.18757F, -1.21121F, -14.21662F, -6.90911F, -12.92921F, -9.64068F,
              -8.97831F}},
            {23,
             {-15.94238F, -7.82938F, -11.70658F, -12.82142F, -1.21493F, -13.41655F, -6.99016F, -12.16341F, -9.83629F,
              -8.95307F}},
        },
        FbankKind::nemo);
}

TEST(OnnxFbank, HasTheNumbersOfKaldi) {
    // low_freq = 20, high_freq = -400.
    const std::vector<Reference> references{
        {0,
         {-5.42935F, -2.13117F, 1.67565F, -3.43464F, 2.98292F, -1.77939F, -0.39706F, -3.13348F, -3.44959F, -2.84238F}},
        {1,
         {-12.21492F, -9.80521F, 0.15299F, -10.43349F, 3.43601F, -8.62806F, -0.83293F, -5.03747F, -4.65698F,
          -3.41765F}},
        {10,
         {-12.25044F, -9.41043F, 0.14396F, -10.62795F, 3.43598F, -9.21947F, -0.85277F, -4.82107F, -4.59614F,
          -3.33815F}},
        {23,
         {-11.85774F, -9.36586F, 0.14894F, -10.17923F, 3.43364F, -8.60825F, -0.83211F, -5.04779F, -4.65958F,
          -3.42132F}},
    };
    expect(references, FbankKind::kaldi);
}

TEST(OnnxFbank, SilenceIsTheLeastThereIs) {
    for (const float value : features(std::vector<float>(1600), 1600)) EXPECT_FLOAT_EQ(value, -15.942385F);
}

TEST(OnnxFbank, DoesNotDependOnHowTheAudioIsParted) {
    const auto audio = tones();
    const auto whole = features(audio, audio.size());
    for (const std::size_t at_once : {1, 7, 119, 160, 1111}) EXPECT_EQ(features(audio, at_once), whole) << at_once;
}

}  // namespace
}  // namespace hotmic::onnx
