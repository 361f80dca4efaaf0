/// Raw samples as they come over a socket, as 16 kHz mono float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::audio {

/// What the bytes are. Little-endian; channels interleaved.
struct PcmFormat {
    enum class Encoding : std::uint8_t {
        s16,   ///< 16-bit integers
        f32,   ///< 32-bit floats in [-1, 1]
        ulaw,  ///< G.711 µ-law, 8 bits
        alaw,  ///< G.711 A-law, 8 bits
    };
    Encoding encoding = Encoding::s16;
    int rate = 16000;  ///< Hz
    int channels = 1;
    friend bool operator==(const PcmFormat&, const PcmFormat&) = default;
};

/// Takes bytes in pieces of any size, which need not end with a sample. Not thread-safe.
class PcmDecoder {
public:
    /// Errors: unsupported_parameter, for a rate or a number of channels that cannot be.
    [[nodiscard]] static Result<PcmDecoder> open(const PcmFormat& format);
    PcmDecoder(PcmDecoder&&) noexcept;
    PcmDecoder& operator=(PcmDecoder&&) noexcept;
    ~PcmDecoder();

    /// Appends what the bytes yield. Resampling keeps some milliseconds back until more comes. Errors: internal.
    [[nodiscard]] Result<void> decode(std::span<const std::byte> bytes, std::vector<float>& out);

    /// Bytes that are no whole sample yet.
    [[nodiscard]] std::size_t held_bytes() const noexcept;

private:
    struct Impl;
    explicit PcmDecoder(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic::audio
