/// Writes voice activity detectors in ggml's format that tell speech from silence by how loud it is.
///
/// The shape is Silero's and the weights are chosen by hand: the network's Fourier transform, then one channel that
/// adds up what lies between 250 and 3000 Hz and takes away what lies above 4400 Hz, of which white noise has more.
#pragma once

#include <cstdint>
#include <filesystem>

namespace hotmic::testing {

enum class VadDamage : std::uint8_t {
    none,
    cut_in_last_tensor,
    narrow_memory,  ///< layers that do not fit each other: the engine ends its process
    deaf,           ///< whole, but it takes everything for silence
};

void write_vad_model(const std::filesystem::path& path, VadDamage damage = VadDamage::none);

}  // namespace hotmic::testing
