/// One PocketSphinx decoder and the words it hears.
#pragma once

#include <pocketsphinx.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "asr/providers/pocketsphinx/model_files.hpp"
#include "asr/providers/pocketsphinx/provider.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::pocketsphinx {

/// In which the engine hears, and counts time.
inline constexpr double kFramesPerSecond = 100;

struct DecoderDeleter {
    void operator()(ps_config_t* config) const { ps_config_free(config); }
    void operator()(ps_decoder_t* decoder) const { ps_free(decoder); }
    void operator()(ps_vad_t* vad) const { ps_vad_free(vad); }
};
using ConfigPtr = std::unique_ptr<ps_config_t, DecoderDeleter>;
using DecoderPtr = std::unique_ptr<ps_decoder_t, DecoderDeleter>;
using VoiceDetectorPtr = std::unique_ptr<ps_vad_t, DecoderDeleter>;

/// Reads the acoustic model and the dictionary, asks `go_on` (may be empty), then reads the language model.
/// Errors: load_failed with what the engine logged; load_cancelled when `go_on` said no.
[[nodiscard]] Result<DecoderPtr> make_decoder(const ModelFiles& files, const Settings& settings,
                                              const std::function<bool()>& go_on = {});

/// The current hypothesis as words; times start at `offset` seconds. Fillers (silence, noise) are left out.
[[nodiscard]] std::vector<Word> words_of(ps_decoder_t& decoder, Seconds offset);

/// Words grouped into segments wherever the speaker pauses. `with_words` keeps the words in them.
[[nodiscard]] std::vector<Segment> segments_of(std::vector<Word> words, bool with_words);

/// Samples as the engine takes them; what is over full scale is clipped. `audio` must be finite.
[[nodiscard]] std::vector<std::int16_t> to_pcm16(AudioView audio);

/// Whether the engine's voice detector takes any of it for speech. Where there is none, the decoder would make up
/// words.
[[nodiscard]] bool has_voice(std::span<const std::int16_t> pcm);

/// Sends the engine's log to ours. Idempotent.
void capture_log();

}  // namespace hotmic::pocketsphinx
