/// Letters in another case, in every script that has two (Unicode's SpecialCasing, by libunistring).
#pragma once

#include <string>

namespace hotmic::onnx {

/// Text that is no UTF-8, such as part of a character, stays as it is.
[[nodiscard]] std::string lower_case(const std::string& text);
[[nodiscard]] std::string upper_case(const std::string& text);

}  // namespace hotmic::onnx
