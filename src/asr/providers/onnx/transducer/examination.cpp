#include "asr/providers/onnx/transducer/examination.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <format>
#include <initializer_list>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "asr/providers/onnx/model_check.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"
#include "hotmic/error.hpp"
#include "text/utf8.hpp"

namespace hotmic::onnx {
namespace {

constexpr const char* kGetModelAgain = "download or export the model again";
constexpr std::size_t kShown = 80;
constexpr std::size_t kLargestState = std::size_t{64} << 20U;

std::string shape_text(const ModelValue& value) {
    std::string text;
    for (const auto size : value.shape)
        text += std::format("{}{}", text.empty() ? "" : ", ", size < 0 ? "any" : std::to_string(size));
    return std::format("\"{}\" [{}]", value.name, text);
}

const char* type_text(int type) {
    if (type == kOnnxFloat) return "floats";
    return type == kOnnxInt64 ? "64-bit integers" : "32-bit integers";
}

/// The one dimension that is free; none: there is none, or more than one.
std::optional<std::size_t> free_axis(const std::vector<std::int64_t>& shape) {
    const auto is_free = [](std::int64_t size) { return size < 0; };
    const auto found = std::ranges::find_if(shape, is_free);
    if (std::ranges::count_if(shape, is_free) != 1) return std::nullopt;
    return static_cast<std::size_t>(found - shape.begin());
}

}  // namespace

std::unexpected<Error> corrupt(const TransducerPart& part, const std::string& what) {
    return fail(ErrorCode::model_corrupt, std::format("{} {}", part.file.string(), what), kGetModelAgain, "path");
}

std::unexpected<Error> unsupported(const TransducerPart& part, const std::string& what) {
    return fail(ErrorCode::model_unsupported, std::format("{} {}", part.file.string(), what),
                "this engine serves streaming zipformer and zipformer2 transducers of icefall, and NeMo's cache-aware "
                "fast-conformer transducers",
                "path");
}

bool has_input(const TransducerPart& part, const std::string& name) {
    return std::ranges::contains(part.facts.inputs, name, &ModelValue::name);
}

std::optional<std::string> metadata_text(const TransducerPart& part, const std::string& key) {
    const auto found = part.facts.metadata.find(key);
    if (found == part.facts.metadata.end()) return std::nullopt;
    return cut(valid_utf8(found->second), kShown);
}

Result<int> metadata(const TransducerPart& part, const std::string& key, int least, int most) {
    const auto found = part.facts.metadata.find(key);
    if (found == part.facts.metadata.end()) return corrupt(part, std::format("has no metadata \"{}\"", key));
    const auto& text = found->second;
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
        return corrupt(part, std::format("has {} = \"{}\" in its metadata, which is not within {} and {}", key,
                                         cut(valid_utf8(text), kShown), least, most));
    }
    return value;
}

Result<void> metadata(const TransducerPart& part, std::initializer_list<WantedNumber> wanted) {
    for (const auto& [key, into, least, most] : wanted) {
        const auto value = metadata(part, key, least, most);
        if (!value) return std::unexpected(value.error());
        *into = *value;
    }
    return {};
}

Result<void> check_value(const TransducerPart& part, const ModelValue& value, int type,
                         const std::vector<std::int64_t>& sizes) {
    bool fits = value.type == type && value.shape.size() == sizes.size();
    for (std::size_t i = 0; fits && i < sizes.size(); ++i)
        fits = value.shape[i] < 0 || (sizes[i] == 0 ? value.shape[i] > 0 : value.shape[i] == sizes[i]);
    if (fits) return {};
    std::string expected;
    for (const auto size : sizes)
        expected += std::format("{}{}", expected.empty() ? "" : ", ", size == 0 ? "any" : std::to_string(size));
    return corrupt(part, std::format("has {}, where {} [{}] should be", shape_text(value), type_text(type), expected));
}

Result<std::vector<CarriedState>> carried_states(const TransducerPart& part, std::size_t first_input,
                                                 std::size_t first_output) {
    std::vector<CarriedState> states;
    const auto& [inputs, outputs] = std::tie(part.facts.inputs, part.facts.outputs);
    if (inputs.size() <= first_input || inputs.size() - first_input != outputs.size() - first_output) {
        return corrupt(part, std::format("has {} inputs and {} outputs: each state is to go in and come out",
                                         inputs.size(), outputs.size()));
    }
    for (std::size_t i = 0; first_input + i < inputs.size(); ++i) {
        const auto& in = inputs[first_input + i];
        const auto& out = outputs[first_output + i];
        if (in.type != kOnnxFloat && in.type != kOnnxInt64)
            return corrupt(part, std::format("has a state {} of a type that no such model has", shape_text(in)));
        const bool fits = in.type == out.type && in.shape.size() == out.shape.size() &&
                          std::ranges::equal(in.shape, out.shape, [](auto one, auto other) {
                              return one == other || one < 0 || other < 0;  // any may be just that
                          });
        if (!fits)
            return corrupt(part, std::format("takes the state {} and gives {} back", shape_text(in), shape_text(out)));
        if (std::ranges::contains(in.shape, 0))
            return corrupt(part, std::format("has the empty state {}", shape_text(in)));
        CarriedState state{.type = in.type, .shape = in.shape, .axis = free_axis(in.shape)};
        for (auto& size : state.shape) size = std::max<std::int64_t>(size, 1);
        states.push_back(std::move(state));
    }
    std::size_t sum = 0;
    for (const auto& state : states) {
        sum += std::min(state.bytes(), kLargestState);
        if (sum >= kLargestState) return corrupt(part, "has states larger than any such model's");
    }
    return states;
}

}  // namespace hotmic::onnx
