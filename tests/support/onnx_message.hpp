/// ONNX files written by hand, as small as a test wants them: the messages of onnx.proto, of which each function makes
/// the bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hotmic::testing::onnx_message {

enum Type : std::uint8_t { kFloat = 1, kInteger32 = 6, kInteger = 7 };
using Shape = std::vector<std::int64_t>;  ///< below 0: any

[[nodiscard]] std::string varint(std::uint64_t value);

// Fields of any message.
[[nodiscard]] std::string number(unsigned field, std::int64_t value);
[[nodiscard]] std::string bytes(unsigned field, std::string_view value);
[[nodiscard]] std::string entry(unsigned field, std::string_view key, std::string_view value);

// Fields of a graph.
[[nodiscard]] std::string node(const std::string& operation, const std::vector<std::string>& inputs,
                               const std::string& output, const std::string& attributes = {});
[[nodiscard]] std::string input(const std::string& name, Type type, const Shape& shape);
[[nodiscard]] std::string output(const std::string& name, Type type, const Shape& shape);
[[nodiscard]] std::string constant(const std::string& tensor);
[[nodiscard]] std::string floats(const std::string& name, const Shape& shape, const std::vector<float>& values);
[[nodiscard]] std::string whole(const std::string& name, const Shape& shape, const std::vector<std::int64_t>& values);

// Attributes of a node.
[[nodiscard]] std::string integer(const std::string& name, std::int64_t setting);
[[nodiscard]] std::string integers(const std::string& name, const Shape& settings);

using Metadata = std::map<std::string, std::string>;

/// `more`: other fields of the model. A key whose text is "-" is left out.
void write_model(const std::filesystem::path& file, const std::string& graph, const Metadata& metadata,
                 const std::string& more = {});

}  // namespace hotmic::testing::onnx_message
