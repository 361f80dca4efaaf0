#include "asr/providers/onnx/whisper/onnx_file.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "asr/providers/onnx/whisper/protobuf_file.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostNodes = 200'000;       // a merged decoder of large-v3 has some 20 000
constexpr std::uint64_t kMostIntegers = 4 << 10;  // written one by one, as scalars are
constexpr int kDeepest = 8;

/// Bytes of one number; 0: not known.
std::uint64_t size_of(OnnxType type) {
    switch (type) {
        case OnnxType::float32:
        case OnnxType::int32:
            return 4;
        case OnnxType::uint8:
        case OnnxType::int8:
            return 1;
        case OnnxType::int64:
            return 8;
        case OnnxType::float16:
        case OnnxType::bfloat16:
            return 2;
        case OnnxType::other:
            return 0;
    }
    std::unreachable();
}

OnnxType type_of(std::uint64_t number) {
    for (const auto type : {OnnxType::float32, OnnxType::uint8, OnnxType::int8, OnnxType::int32, OnnxType::int64,
                            OnnxType::float16, OnnxType::bfloat16}) {
        if (number == std::to_underlying(type)) return type;
    }
    return OnnxType::other;
}

/// Walks the messages of a model as onnx.proto lays them out.
class Walk {
public:
    Walk(const fs::path& path, std::uint64_t size) : source_(path, size) {
        file_.path = path;
        file_.size_bytes = size;
    }

    Result<OnnxFile> run() {
        if (!source_.readable()) {
            return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be read", source_.name()),
                        "check its permissions", "path");
        }
        const bool walked = source_.message(source_.size(), [&](const Field& field) {
            if (field.number == 7 && field.has_bytes) return graph(field.end, -1, 0) >= 0;
            if (field.number == 14 && field.has_bytes) return pair(field.end, file_.metadata);
            return true;
        });
        if (!walked) return std::unexpected(*source_.error());
        if (file_.graphs.empty())
            return fail(ErrorCode::model_not_recognized, std::format("{} is no ONNX model", source_.name()),
                        kExportAgain, "path");
        return std::move(file_);
    }

private:
    using Field = ProtobufFile::Field;

    bool pair(std::uint64_t end, std::map<std::string, std::string, std::less<>>& into) {
        std::string key;
        std::string value;
        const bool walked = source_.message(end, [&](const Field& field) {
            if (field.number == 1 && field.has_bytes) return source_.text(field.end, key);
            if (field.number == 2 && field.has_bytes) return source_.text(field.end, value);
            return true;
        });
        if (walked && !key.empty()) into[key] = std::move(value);
        return walked;
    }

    /// Its index; -1 after an error.
    int graph(std::uint64_t end, int parent, int depth) {
        if (depth > kDeepest) return source_.corrupt("graphs within graphs without an end"), -1;
        const auto index = static_cast<int>(file_.graphs.size());
        file_.graphs.push_back({.parent = parent});
        source_.recognize();
        const auto mine = [&]() -> OnnxGraph& { return file_.graphs[static_cast<std::size_t>(index)]; };
        const bool walked = source_.message(end, [&](const Field& field) {
            if (!field.has_bytes) return true;
            switch (field.number) {
                case 1: {
                    if (++nodes_ > kMostNodes) return source_.corrupt("more nodes than any model has");
                    OnnxNode made;
                    if (!node(field.end, index, depth, made)) return false;
                    mine().nodes.push_back(std::move(made));
                    return true;
                }
                case 5: {
                    OnnxTensor made;
                    if (!tensor(field.end, made)) return false;
                    auto name = made.name;
                    mine().tensors.insert_or_assign(std::move(name), std::move(made));
                    return true;
                }
                case 11:
                case 12: {
                    std::string name;
                    if (!source_.message(field.end, [&](const Field& of) {
                            return of.number != 1 || !of.has_bytes || source_.text(of.end, name);
                        }))
                        return false;
                    (field.number == 11 ? mine().inputs : mine().outputs).push_back(std::move(name));
                    return true;
                }
                default:
                    return true;
            }
        });
        return walked ? index : -1;
    }

    bool node(std::uint64_t end, int graph_index, int depth, OnnxNode& into) {
        std::optional<OnnxTensor> constant;
        const bool walked = source_.message(end, [&](const Field& field) {
            if (!field.has_bytes) return true;
            switch (field.number) {
                case 1:
                    return source_.text(field.end, into.inputs.emplace_back());
                case 2:
                    return source_.text(field.end, into.outputs.emplace_back());
                case 3:
                    return source_.text(field.end, into.name);
                case 4:
                    return source_.text(field.end, into.op);
                case 5:
                    return attribute(field.end, graph_index, depth, into, constant);
                default:
                    return true;
            }
        });
        if (walked && constant && into.op == "Constant" && !into.outputs.empty()) {
            constant->name = into.outputs.front();
            file_.graphs[static_cast<std::size_t>(graph_index)].tensors.insert_or_assign(into.outputs.front(),
                                                                                         *std::move(constant));
        }
        return walked;
    }

    bool attribute(std::uint64_t end, int graph_index, int depth, OnnxNode& into, std::optional<OnnxTensor>& constant) {
        std::string name;
        std::optional<std::int64_t> integer;
        const bool walked = source_.message(end, [&](const Field& field) {
            if (field.number == 1 && field.has_bytes) return source_.text(field.end, name);
            if (field.number == 3 && !field.has_bytes) integer = std::bit_cast<std::int64_t>(field.value);
            if (field.number == 5 && field.has_bytes) return tensor(field.end, constant.emplace());
            if (field.number == 6 && field.has_bytes) return graph(field.end, graph_index, depth + 1) >= 0;
            return true;
        });
        if (walked && integer) into.integers[name] = *integer;
        return walked;
    }

    bool tensor(std::uint64_t end, OnnxTensor& into) {
        std::map<std::string, std::string, std::less<>> outside;
        bool is_outside = false;
        bool has_numbers = false;
        const auto extents = [&](std::uint64_t value) {
            constexpr std::uint64_t kLargest = 1ull << 31;
            if (value > kLargest || into.shape.size() >= 8) return source_.corrupt("a tensor of impossible shape");
            into.shape.push_back(static_cast<std::int64_t>(value));
            return true;
        };
        const bool walked = source_.message(end, [&](const Field& field) {
            switch (field.number) {
                case 1:
                    return field.has_bytes ? source_.packed(field.end, extents) : extents(field.value);
                case 2:
                    into.type = type_of(field.value);
                    return true;
                case 4:
                    // Floats one by one are as they would be in a row, where they are packed.
                    if (!field.has_bytes) return source_.corrupt("floats that are not packed");
                    [[fallthrough]];
                case 9:
                    into.numbers = {.begin = source_.position(), .size = field.end - source_.position()};
                    has_numbers = true;
                    return true;
                case 5:
                case 7: {
                    const auto keep = [&](std::uint64_t value) {
                        if (into.integers.size() > kMostIntegers) return true;  // its shape has to tell
                        into.integers.push_back(std::bit_cast<std::int64_t>(value));
                        return true;
                    };
                    return field.has_bytes ? source_.packed(field.end, keep) : keep(field.value);
                }
                case 8:
                    return !field.has_bytes || source_.text(field.end, into.name);
                case 13:
                    return !field.has_bytes || pair(field.end, outside);
                case 14:
                    is_outside = field.value == 1;
                    return true;
                default:
                    return true;
            }
        });
        if (!walked) return false;
        std::uint64_t count = 1;
        for (const auto extent : into.shape) {
            if (extent != 0 && count > (1ull << 33) / static_cast<std::uint64_t>(extent))
                return source_.corrupt(std::format("tensor {} is larger than any", into.name));
            count *= static_cast<std::uint64_t>(extent);
        }
        const auto size = size_of(into.type);
        if (size == 0) return true;  // of a kind that no weight has
        if (is_outside) return find_outside(outside, count * size, into);
        if (!has_numbers && count > kMostIntegers) {
            into.type = OnnxType::other;  // no weight is written number by number
            into.integers.clear();
            return true;
        }
        if (has_numbers ? into.numbers.size != count * size : into.integers.size() != count)
            return source_.corrupt(std::format("tensor {} has not as many numbers as its shape says", into.name));
        return true;
    }

    /// Numbers in a file of their own, which must lie beside this one: a name that leads elsewhere is refused.
    bool find_outside(const std::map<std::string, std::string, std::less<>>& outside, std::uint64_t bytes,
                      OnnxTensor& into) {
        const auto number = [&](std::string_view key, std::uint64_t without) -> std::optional<std::uint64_t> {
            const auto found = outside.find(key);
            if (found == outside.end()) return without;
            std::uint64_t value = 0;
            const auto& text = found->second;
            const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
            if (wrong != std::errc{} || end != text.data() + text.size()) return std::nullopt;
            return value;
        };
        const auto named = outside.find("location");
        const auto begin = number("offset", 0);
        const auto length = number("length", bytes);
        if (named == outside.end() || named->second.empty() || named->second.starts_with('.') ||
            named->second.contains('/') || named->second.contains('\\'))
            return source_.corrupt(std::format("tensor {} is in a file that is not beside it", into.name));
        if (!begin || !length || *length != bytes)
            return source_.corrupt(std::format("tensor {} has not as many numbers as its shape says", into.name));
        const auto file = file_.path.parent_path() / named->second;
        std::error_code error;
        const auto size = fs::file_size(file, error);
        if (error) {
            return source_.stop(
                {ErrorCode::model_file_missing,
                 std::format("{} keeps weights in {}, which is not beside it", source_.name(), named->second),
                 "download that file too, into the same folder", "path"});
        }
        if (*begin > size || bytes > size - *begin) {
            return source_.stop(
                {ErrorCode::model_truncated,
                 std::format("{} ends before tensor {} does (it has {} bytes)", file.string(), into.name, size),
                 kExportAgain, "path"});
        }
        into.beside = named->second;
        into.numbers = {.begin = *begin, .size = bytes};
        if (std::ranges::find(file_.beside, file) == file_.beside.end()) file_.beside.push_back(file);
        return true;
    }

    ProtobufFile source_;
    std::size_t nodes_ = 0;
    OnnxFile file_;
};

}  // namespace

std::uint64_t OnnxTensor::count() const {
    std::uint64_t count = 1;
    for (const auto extent : shape) count *= static_cast<std::uint64_t>(extent);
    return count;
}

Result<OnnxFile> read_onnx_file(const fs::path& path) {
    std::error_code error;
    if (!fs::is_regular_file(path, error)) {
        return fail(ErrorCode::model_file_missing, std::format("there is no file {}", path.string()),
                    "check the path, or download the model", "path");
    }
    const auto size = fs::file_size(path, error);
    if (error)
        return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be read", path.string()),
                    "check its permissions", "path");
    return Walk(path, size).run();
}

}  // namespace hotmic::onnx
