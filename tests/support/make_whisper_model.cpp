/// hotmic_make_whisper_model FILE KIND: writes a test model. KIND: tiny.en, tiny, tiny-de, base.en, small.en, medium.en,
/// large-v3, or a damage by its name; after a whole one optionally -q5_0, -q8_0: its matrices' type.
#include <iostream>
#include <map>
#include <print>
#include <string>

#include "support/whisper_test_model.hpp"

int main(int argc, char** argv) {
    using hotmic::testing::Damage;
    const std::map<std::string, hotmic::testing::WhisperTestModel> whole{
        {"tiny.en", {}},
        {"tiny", {.multilingual = true}},
        {"tiny-de", {.multilingual = true, .language = "de"}},
        {"base.en", {.n_audio_state = 512, .n_audio_layer = 6, .n_text_layer = 6}},
        {"small.en", {.n_audio_state = 768, .n_audio_layer = 12, .n_text_layer = 12}},
        {"medium.en", {.n_audio_state = 1024, .n_audio_layer = 24, .n_text_layer = 24}},
        {"large-v3",
         {.multilingual = true, .large_v3 = true, .n_audio_state = 1280, .n_audio_layer = 32, .n_text_layer = 32}}};
    const std::map<std::string, Damage> damaged{
        {"cut_in_last_tensor", Damage::cut_in_last_tensor}, {"ends_after_vocabulary", Damage::ends_after_vocabulary},
        {"million_layers", Damage::million_layers},         {"bad_tensor_type", Damage::bad_tensor_type},
        {"endless_token", Damage::endless_token},           {"random_weights", Damage::random_weights},
        {"trailing_bytes", Damage::trailing_bytes}};
    const std::string kind = argc == 3 ? argv[2] : "";
    const auto type = kind.find("-q");
    if (const auto model = whole.find(kind.substr(0, type)); model != whole.end()) {
        auto wanted = model->second;
        if (type != std::string::npos) wanted.weights = kind.substr(type + 1);
        hotmic::testing::write_whisper_model(argv[1], wanted);
    } else if (const auto damage = damaged.find(kind); damage != damaged.end()) {
        hotmic::testing::write_damaged_whisper_model(argv[1], damage->second);
    } else {
        std::println(std::cerr, "usage: {} FILE KIND", argv[0]);
        return 2;
    }
}
