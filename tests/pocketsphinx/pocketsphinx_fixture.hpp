/// The distribution's model of PocketSphinx, loaded.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "asr/providers/pocketsphinx/provider.hpp"
#include "audio/clip.hpp"

namespace hotmic::pocketsphinx {

class PocketSphinx : public ::testing::Test {
protected:
    static std::vector<float> clip() { return audio::clip_of_length(audio::builtin_clip().length).value(); }

    std::shared_ptr<Provider> provider_ = make_provider();
    LoadProgress progress_;
    std::unique_ptr<Model> model_ =
        provider_->load({.provider = "pocketsphinx", .path = {}, .slots = 1}, progress_, {}).value();
    std::unique_ptr<Recognizer> recognizer_ = model_->make_recognizer().value();
};

}  // namespace hotmic::pocketsphinx
