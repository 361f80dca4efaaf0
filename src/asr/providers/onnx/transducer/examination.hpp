/// What the checks of all families of transducers are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "asr/providers/onnx/model_check.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {

[[nodiscard]] std::unexpected<Error> corrupt(const TransducerPart& part, const std::string& what);
[[nodiscard]] std::unexpected<Error> unsupported(const TransducerPart& part, const std::string& what);

[[nodiscard]] bool has_input(const TransducerPart& part, const std::string& name);

/// The text of a key; nothing: it is not there.
[[nodiscard]] std::optional<std::string> metadata_text(const TransducerPart& part, const std::string& key);
/// A number that must be there.
[[nodiscard]] Result<int> metadata(const TransducerPart& part, const std::string& key, int least, int most);
/// Several: `key` and where it goes.
struct WantedNumber {
    const char* key;
    int* into;
    int least = 1;
    int most = 65'536;
};
[[nodiscard]] Result<void> metadata(const TransducerPart& part, std::initializer_list<WantedNumber> wanted);

/// The value is of this type, has this rank, and these sizes where both it and `sizes` name one (0: any).
[[nodiscard]] Result<void> check_value(const TransducerPart& part, const ModelValue& value, int type,
                                       const std::vector<std::int64_t>& sizes);

/// The states from `first_input` and `first_output` on, which are to go in as they came out.
[[nodiscard]] Result<std::vector<CarriedState>> carried_states(const TransducerPart& part, std::size_t first_input,
                                                               std::size_t first_output);

}  // namespace hotmic::onnx
