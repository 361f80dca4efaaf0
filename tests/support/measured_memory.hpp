/// What a model really takes: loaded in a worker process and made warm, then weighed from outside.
#pragma once

#include <vector>

#include "hotmic/provider.hpp"
#include "hotmic/units.hpp"

namespace hotmic::testing {

struct MeasuredMemory {
    Bytes loaded{};        ///< resident in the worker with every slot open, before the first request
    Bytes warm{};          ///< after every slot took everything that allocates on first use
    int workers_left = 0;  ///< worker processes that still exist after the model was destroyed; 0 or a defect
};

/// Which requests make a slot warm: all that a warmup sends, and a window as long as the server ever gives an engine.
struct WarmRequests {
    /// One request that asks for everything but a prompt at once, instead of one for each path: fewer passes of the
    /// encoder, and within a percent of the same memory. For shapes that take minutes a pass.
    bool few = false;
};

/// Loads the model, warms every slot at once on threads of their own, and unloads it again. `isolated` runs models in
/// workers (worker::isolate). Errors: those of load, make_recognizer and transcribe.
[[nodiscard]] Result<MeasuredMemory> measure_memory(Provider& isolated, const ModelSpec& spec,
                                                    const WarmRequests& requests = {});

/// estimate ÷ measurement; 1.1 is 10 % too much.
[[nodiscard]] inline double ratio(const ResourceEstimate& estimate, const MeasuredMemory& measured) {
    return estimate.total() / measured.warm;
}

}  // namespace hotmic::testing
