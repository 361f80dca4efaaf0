/// Chunks of several streams in one run of the encoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/encoder.hpp"
#include "system/mutex.hpp"

namespace hotmic::onnx {

/// Whoever comes while a lane is free runs at once, alone. While all lanes are busy chunks wait, and the first lane
/// that is free takes all of them together: so none waits longer than one run. A chunk that fails fails alone.
///
/// Any thread; each blocks until its chunk is through. `lanes`: runs side by side. Where the encoder takes no rows
/// there is nothing to share, and every thread runs by itself.
class EncoderBatches {
public:
    static constexpr std::size_t kMostRows = 16;

    EncoderBatches(const StreamingEncoder& encoder, int lanes) : encoder_(encoder), lanes_(lanes) {}

    /// Throws what the library throws, and std::runtime_error for numbers that are not finite.
    void run(EncoderRow row, const CancellableRun& run);

    /// Runs so far, and the chunks in them.
    struct Counts {
        std::uint64_t runs = 0;
        std::uint64_t rows = 0;
        std::size_t most = 0;  ///< rows in one run
    };
    [[nodiscard]] Counts counts() const;

private:
    struct Waiting {
        EncoderRow row;
        std::exception_ptr failure{};
        bool taken = false;
        bool done = false;
    };
    void run_together(std::deque<Waiting*>& batch) const;

    const StreamingEncoder& encoder_;
    const int lanes_;
    mutable Mutex mutex_;
    Condition changed_;
    std::deque<Waiting*> waiting_ HOTMIC_GUARDED_BY(mutex_);
    int running_ HOTMIC_GUARDED_BY(mutex_) = 0;
    Counts counts_ HOTMIC_GUARDED_BY(mutex_){};
};

}  // namespace hotmic::onnx
