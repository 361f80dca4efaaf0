/// Writes model files in Whisper's format whose transcript is known beforehand, and files that are wrong in a chosen
/// way.
///
/// The model is a chain: every weight is zero but those of the decoder's first feed-forward layer, which maps each
/// token of the sentence to the next one, so that greedy decoding says the sentence and ends, whatever the audio.
/// Shapes are the official ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hotmic::testing {

struct WhisperTestModel {
    bool multilingual = false;    ///< vocabulary of 51865 with language tokens
    bool large_v3 = false;        ///< as large-v3 has them: 51866 tokens, 128 mels; multilingual only
    std::string language = "en";  ///< what detection answers, "en" or "de"; multilingual only
    std::vector<std::string> sentence{" hello", " warm", " world"};
    std::vector<std::string> translation{" translated", " words"};  ///< what the translate task says; multilingual only
    double ends_at = 28;               ///< seconds into a window; 0.02 makes a model that hardly moves on
    std::int32_t n_audio_state = 384;  ///< 384 is tiny, 512 base, …
    std::int32_t n_audio_layer = 4;
    std::int32_t n_text_layer = 4;
    std::string weights = "f16";  ///< of the matrices, by ggml's name: f32, f16, q4_0, q4_1, q5_0, q5_1, q8_0
};

/// A model by its name: tiny.en, tiny, base.en, small.en, medium.en, large-v3; with -q5_0 or -q8_0 behind it
/// quantised. Throws std::invalid_argument for any other.
[[nodiscard]] WhisperTestModel official_shape(const std::string& name);

/// "hello warm world"
[[nodiscard]] std::string text_of(const std::vector<std::string>& sentence);

void write_whisper_model(const std::filesystem::path& path, const WhisperTestModel& model = {});

/// What can be wrong with a file.
enum class Damage : std::uint8_t {
    cut_in_last_tensor,     ///< the engine loads it "successfully"
    ends_after_vocabulary,  ///< the engine takes it for an "empty model for testing"
    million_layers,         ///< the engine hangs for minutes
    bad_tensor_type,        ///< the engine aborts
    endless_token,          ///< a token of 4 GB
    random_weights,         ///< whole, but every weight is a random byte: numbers that are none
    trailing_bytes,
};

void write_damaged_whisper_model(const std::filesystem::path& path, Damage damage);

}  // namespace hotmic::testing
