#include "asr/providers/onnx/transducer/letter_case.hpp"

#include <unicase.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

namespace hotmic::onnx {
namespace {

std::string converted(decltype(&u8_tolower) convert, const std::string& text) {
    std::size_t length = 0;
    const std::unique_ptr<std::uint8_t, decltype(&std::free)> made(
        convert(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), nullptr, nullptr, nullptr, &length),
        &std::free);
    if (!made) return text;
    return {reinterpret_cast<const char*>(made.get()), length};
}

}  // namespace

std::string lower_case(const std::string& text) {
    return converted(u8_tolower, text);
}

std::string upper_case(const std::string& text) {
    return converted(u8_toupper, text);
}

}  // namespace hotmic::onnx
