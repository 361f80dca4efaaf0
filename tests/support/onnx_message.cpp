#include "support/onnx_message.hpp"

#include <fstream>

namespace hotmic::testing::onnx_message {
namespace {

std::string value(const std::string& name, Type type, const Shape& shape) {
    std::string sizes;
    for (const auto size : shape) sizes += bytes(1, size < 0 ? bytes(2, "N") : number(1, size));
    return bytes(1, name) + bytes(2, bytes(1, number(1, type) + bytes(2, sizes)));
}

template <class T>
std::string tensor(const std::string& name, const Shape& shape, Type type, const std::vector<T>& values) {
    std::string made;
    for (const auto size : shape) made += number(1, size);
    return made + number(2, type) + bytes(8, name) +
           bytes(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

}  // namespace

std::string varint(std::uint64_t value) {
    std::string bytes;
    for (; value >= 0x80; value >>= 7U) bytes += static_cast<char>(value | 0x80U);
    return bytes + static_cast<char>(value);
}
std::string number(unsigned field, std::int64_t value) {
    return varint(field << 3U) + varint(static_cast<std::uint64_t>(value));
}
std::string bytes(unsigned field, std::string_view value) {
    return varint(field << 3U | 2U) + varint(value.size()) + std::string(value);
}
std::string entry(unsigned field, std::string_view key, std::string_view value) {
    return bytes(field, bytes(1, key) + bytes(2, value));
}

std::string node(const std::string& operation, const std::vector<std::string>& inputs, const std::string& output,
                 const std::string& attributes) {
    std::string made;
    for (const auto& input : inputs) made += bytes(1, input);
    return bytes(1, made + bytes(2, output) + bytes(4, operation) + attributes);
}
std::string input(const std::string& name, Type type, const Shape& shape) {
    return bytes(11, value(name, type, shape));
}
std::string output(const std::string& name, Type type, const Shape& shape) {
    return bytes(12, value(name, type, shape));
}
std::string constant(const std::string& tensor) {
    return bytes(5, tensor);
}
std::string floats(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    return constant(tensor(name, shape, kFloat, values));
}
std::string whole(const std::string& name, const Shape& shape, const std::vector<std::int64_t>& values) {
    return constant(tensor(name, shape, kInteger, values));
}

std::string integer(const std::string& name, std::int64_t setting) {
    return bytes(5, bytes(1, name) + number(3, setting) + number(20, 2));
}
std::string integers(const std::string& name, const Shape& settings) {
    std::string made = bytes(1, name);
    for (const auto setting : settings) made += number(8, setting);
    return bytes(5, made + number(20, 7));
}

void write_model(const std::filesystem::path& file, const std::string& graph, const Metadata& metadata,
                 const std::string& more) {
    std::string made = number(1, 8) + bytes(7, graph + bytes(2, "made")) + bytes(8, bytes(1, "") + number(2, 13));
    for (const auto& [key, text] : metadata) {
        if (text != "-") made += entry(14, key, text);
    }
    std::ofstream(file, std::ios::binary) << made << more;
}

}  // namespace hotmic::testing::onnx_message
