/// Streaming transducers as models of the onnx provider.
#pragma once

#include <memory>
#include <stop_token>

#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"

namespace hotmic::onnx {

// As those of Provider, for a path that looks like a transducer (folder.hpp).

[[nodiscard]] Result<ModelFileInfo> inspect_transducer(const ModelSpec& spec);
[[nodiscard]] Result<ResourceEstimate> estimate_transducer(const ModelSpec& spec);
[[nodiscard]] Result<std::unique_ptr<Model>> load_transducer(const ModelSpec& spec, LoadProgress& progress,
                                                             const std::stop_token& stop);

}  // namespace hotmic::onnx
