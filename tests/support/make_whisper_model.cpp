/// hotmic_make_whisper_model FILE KIND: writes a test model. KIND: tiny.en, tiny, base.en, small.en,
/// medium.en, large-v3 (any of these with -q5_0 or -q8_0: quantised), or a damage by its name; or vad, deaf_vad or
/// crashing_vad for a voice activity detector.
#include <exception>
#include <iostream>
#include <map>
#include <print>
#include <string>

#include "support/vad_test_model.hpp"
#include "support/whisper_test_model.hpp"

int main(int argc, char** argv) try {
    using hotmic::testing::Damage;
    const std::map<std::string, Damage> damaged{
        {"cut_in_last_tensor", Damage::cut_in_last_tensor}, {"ends_after_vocabulary", Damage::ends_after_vocabulary},
        {"million_layers", Damage::million_layers},         {"bad_tensor_type", Damage::bad_tensor_type},
        {"endless_token", Damage::endless_token},           {"random_weights", Damage::random_weights},
        {"trailing_bytes", Damage::trailing_bytes}};
    using hotmic::testing::VadDamage;
    const std::map<std::string, VadDamage> detectors{
        {"vad", VadDamage::none}, {"deaf_vad", VadDamage::deaf}, {"crashing_vad", VadDamage::narrow_memory}};
    const std::string kind = argc == 3 ? argv[2] : "";
    if (const auto damage = damaged.find(kind); damage != damaged.end()) {
        hotmic::testing::write_damaged_whisper_model(argv[1], damage->second);
    } else if (const auto detector = detectors.find(kind); detector != detectors.end()) {
        hotmic::testing::write_vad_model(argv[1], detector->second);
    } else if (!kind.empty()) {
        hotmic::testing::write_whisper_model(argv[1], hotmic::testing::official_shape(kind));
    } else {
        std::println(std::cerr, "usage: {} FILE KIND", argv[0]);
        return 2;
    }
} catch (const std::exception& problem) {
    std::println(std::cerr, "{}", problem.what());
    return 2;
}
