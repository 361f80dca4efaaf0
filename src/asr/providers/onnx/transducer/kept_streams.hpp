/// Streams between two of their steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>

#include "asr/providers/onnx/transducer/stream.hpp"
#include "hotmic/units.hpp"
#include "system/mutex.hpp"

namespace hotmic::onnx {

/// A bounded number of streams by their number; those that were not fed for the longest go first. Any thread, any slot:
/// so there may be many more of them than slots. Nothing else of a stream is kept but where it is, so that a step costs
/// what its own audio does.
class KeptStreams {
public:
    static constexpr std::size_t kMost = 128;

    struct Kept {
        std::uint64_t number = 0;
        int most_paths = 1;
        TransducerStream stream{};
    };

    /// Takes that stream out, if it has heard just `samples`; otherwise nothing is left of it.
    [[nodiscard]] std::optional<Kept> take(std::uint64_t number, Samples heard);
    /// Keeps a stream until its next step.
    void keep(Kept kept);

private:
    Mutex mutex_;
    std::list<Kept> streams_ HOTMIC_GUARDED_BY(mutex_);  // fed last first
};

}  // namespace hotmic::onnx
