/// One PocketSphinx decoder and the words it hears.
#pragma once

#include <pocketsphinx.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "asr/providers/pocketsphinx/model_files.hpp"
#include "asr/providers/pocketsphinx/provider.hpp"

namespace hotmic::pocketsphinx {

struct DecoderDeleter {
    void operator()(ps_config_t* config) const { ps_config_free(config); }
    void operator()(ps_decoder_t* decoder) const { ps_free(decoder); }
    void operator()(ps_endpointer_t* endpointer) const { ps_endpointer_free(endpointer); }
};
using ConfigPtr = std::unique_ptr<ps_config_t, DecoderDeleter>;
using DecoderPtr = std::unique_ptr<ps_decoder_t, DecoderDeleter>;
using EndpointerPtr = std::unique_ptr<ps_endpointer_t, DecoderDeleter>;

/// Errors: load_failed with the last lines the engine logged.
[[nodiscard]] Result<DecoderPtr> make_decoder(const ModelFiles& files, const Settings& settings);

/// The current hypothesis as words; times start at `offset` seconds. Fillers (silence, noise) are left out.
[[nodiscard]] std::vector<Word> words_of(ps_decoder_t& decoder, double offset);

/// Words grouped into segments wherever the speaker pauses. `with_words` keeps the words in them.
[[nodiscard]] std::vector<Segment> segments_of(std::vector<Word> words, bool with_words);

/// Samples as the engine takes them. Errors: audio_invalid_samples.
[[nodiscard]] Result<std::vector<std::int16_t>> to_pcm16(AudioView audio);

/// Sends the engine's log to ours. Idempotent.
void capture_log();

}  // namespace hotmic::pocketsphinx
