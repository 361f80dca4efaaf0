#include "asr/providers/onnx/whisper/onnx_names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <format>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace hotmic::onnx {
namespace {

struct Name {
    std::string_view theirs;
    std::string_view ours;
};
constexpr std::array kMatrices{Name{"q_proj", "query"}, Name{"query", "query"},  Name{"k_proj", "key"},
                               Name{"key", "key"},      Name{"v_proj", "value"}, Name{"value", "value"},
                               Name{"out_proj", "out"}, Name{"out", "out"},      Name{"fc1", "mlp.0"},
                               Name{"mlp.0", "mlp.0"},  Name{"fc2", "mlp.2"},    Name{"mlp.2", "mlp.2"}};
constexpr std::array kNorms{Name{"self_attn_layer_norm", "attn_ln"},
                            Name{"attn_ln", "attn_ln"},
                            Name{"encoder_attn_layer_norm", "cross_attn_ln"},
                            Name{"cross_attn_ln", "cross_attn_ln"},
                            Name{"final_layer_norm", "mlp_ln"},
                            Name{"mlp_ln", "mlp_ln"}};

template <std::size_t N>
std::optional<std::string_view> ours(const std::array<Name, N>& names, std::string_view theirs) {
    const auto found = std::ranges::find(names, theirs, &Name::theirs);
    return found == names.end() ? std::nullopt : std::optional(found->ours);
}

/// "key_3" → "key" and 3: the fourth of that name in the graph.
struct Numbered {
    std::string_view name;
    int index = 0;
};
Numbered numbered(std::string_view part) {
    const auto at = part.rfind('_');
    const auto index = at == part.npos ? std::nullopt : parse_number(part.substr(at + 1));
    return index ? Numbered{part.substr(0, at), *index} : Numbered{part};
}

/// A path's parts, at "/" and ".", a number joined to what is before it: "layers.0/mlp/mlp.0/MatMul" →
/// layers, 0, mlp, mlp.0, MatMul.
std::vector<std::string> parts_of(std::string_view path) {
    std::vector<std::string> parts;
    for (const auto each : std::views::split(path, '/')) {
        const std::string_view part(each);
        for (const auto inner : std::views::split(part, '.')) {
            const std::string_view text(inner);
            if (text.empty()) continue;
            if (parse_number(numbered(text).name) && !parts.empty() && parts.back().starts_with("mlp"))
                parts.back() = "mlp." + std::string(text);
            else
                parts.emplace_back(text);
        }
    }
    return parts;
}

}  // namespace

std::optional<int> parse_number(std::string_view text) {
    int value = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || wrong != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

std::optional<MatrixName> matrix_at(std::string_view path) {
    MatrixName made;
    const auto parts = parts_of(path);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto& part = parts[i];
        if ((part == "layers" || part == "blocks") && i + 1 < parts.size()) made.layer = parse_number(parts[i + 1]);
        const auto [name, index] = numbered(part);
        if (name == "encoder_attn" || name == "cross_attn") made.cross = true;
        if (const auto role = ours(kMatrices, name)) {
            made.role = *role;
            made.index = index;
        } else if (const auto whole = ours(kMatrices, part)) {
            made.role = *whole;
        }
    }
    return made.role.empty() ? std::nullopt : std::optional(std::move(made));
}

std::optional<std::string> kept_name(std::string_view name, std::string_view side) {
    if (name.ends_with("_scale") || name.ends_with("_zero_point")) return std::nullopt;
    if (name.ends_with("_quantized")) name.remove_suffix(std::string_view("_quantized").size());
    if (const auto merged = name.find("_merged_"); merged != name.npos) name = name.substr(0, merged);
    // sherpa-onnx's encoder holds a part of the decoder, which has no names of its own there.
    if (side == "encoder" && name.starts_with("textDecoder.")) return std::nullopt;
    const auto parts = parts_of(name);
    if (parts.empty()) return std::nullopt;
    const auto end = [&](std::size_t from_end) -> std::string_view {
        return parts.size() > from_end ? std::string_view(parts[parts.size() - 1 - from_end]) : std::string_view{};
    };
    const auto kind = end(0);
    const auto what = end(1);
    if (kind == "positional_embedding" || (what == "embed_positions" && kind == "weight"))
        return std::format("{}.positional_embedding", side);
    if (kind != "weight" && kind != "bias") return std::nullopt;
    if (what == "embed_tokens" || what == "token_embedding") return "decoder.token_embedding.weight";
    if (what == "conv1" || what == "conv2") return std::format("encoder.{}.{}", what, kind);
    std::optional<int> layer;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
        if (parts[i] == "layers" || parts[i] == "blocks") layer = parse_number(parts[i + 1]);
    if (const auto norm = ours(kNorms, what); norm && layer)
        return std::format("{}.blocks.{}.{}.{}", side, *layer, *norm, kind);
    if (!layer && (what == "layer_norm" || what == "ln_post" || what == "ln"))
        return std::format("{}.{}.{}", side, side == "encoder" ? "ln_post" : "ln", kind);
    return std::nullopt;
}

}  // namespace hotmic::onnx
