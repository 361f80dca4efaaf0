#include "onnx/source_tensors.hpp"

#include <stdexcept>
#include <utility>

namespace hotmic::testing {

Tensors tensors_of(onnx::WhisperSource& source) {
    Tensors all;
    LoadProgress progress;
    const auto read = source.read(progress, {},
                                  [&](const std::string& name, const std::vector<std::int64_t>& shape,
                                      std::vector<float> values) -> Result<void> {
                                      all[name] = {shape, std::move(values)};
                                      return {};
                                  });
    if (!read) throw std::runtime_error(read.error().describe());
    return all;
}

}  // namespace hotmic::testing
