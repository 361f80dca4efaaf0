/// Media decoded in processes of their own: what strangers send is parsed where nothing can be lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "system/sandbox.hpp"

namespace hotmic::worker {

struct DecoderOptions {
    /// The program to start as `PROGRAM decoder`; it must call `decoder_main`.
    std::filesystem::path executable = "/proc/self/exe";
    system::Sandbox sandbox = system::Sandbox::attempt;
    Bytes memory = mebibytes(512);               ///< of one decoder, besides the program itself
    std::chrono::milliseconds timeout{60'000};   ///< that a decoder which is waited for may be silent
    std::chrono::milliseconds heartbeat{5'000};  ///< that the process they are forked from may be
    MediaFormats formats{};                      ///< where a request names none
};

/// Each file gets a process that is forked for it and ends with it. One that dies is an error of its file, and of
/// nothing else. A file whose decoder died of something that need not have been the file's fault (it was killed) is
/// decoded once more, from where it was; nobody who reads the source notices.
///
/// The process that they are forked from is started at once, and again whenever it has died; decoders outlive it.
///
/// Errors besides those of `open_media`, of `open` and of what it returns: decoder_crashed (it died of the file, sent
/// nonsense or went silent), audio_too_costly (the kernel ended it at a limit), decoder_unavailable,
/// sandbox_unavailable.
class Decoders final : public MediaDecoder {
public:
    explicit Decoders(DecoderOptions options);
    Decoders() : Decoders(DecoderOptions{}) {}
    ~Decoders() override;

    Result<std::unique_ptr<AudioSource>> open(std::shared_ptr<const MediaBytes> media, const DecodeLimits& limits,
                                              const TrackChoice& choice) override;

    /// Waits until decoders can be forked. Errors: decoder_unavailable, sandbox_unavailable.
    [[nodiscard]] Result<void> ready();

    struct Figures {
        std::uint64_t running = 0;
        // Since the start.
        std::uint64_t begun = 0;
        std::uint64_t crashed = 0;  ///< died of their file, or for what they said
        std::uint64_t limited = 0;  ///< ended by the kernel at a limit
        std::uint64_t hung = 0;     ///< ended for their silence
        std::uint64_t again = 0;    ///< replaced by another that went on
    };
    [[nodiscard]] Figures figures() const;

private:
    class Source;
    struct Shared;

    const std::shared_ptr<Shared> shared_;  // sources that outlive this keep it
};

}  // namespace hotmic::worker
