#include "asr/providers/onnx/whisper/onnx_file.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <format>
#include <fstream>
#include <functional>
#include <optional>
#include <utility>

#include "asr/providers/onnx/half_kernels.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBuffer = 64 << 10;
constexpr std::uint64_t kLongestText = 64 << 10;
constexpr std::uint64_t kMostText = 64 << 20;     // of all names and attributes
constexpr std::size_t kMostNodes = 200'000;       // a merged decoder of large-v3 has some 20 000
constexpr std::uint64_t kMostIntegers = 4 << 10;  // written one by one, as scalars are
constexpr int kDeepest = 8;
constexpr const char* kGetAnother = "download or export the model again";

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

/// Walks messages of protobuf (https://protobuf.dev/programming-guides/encoding/) as onnx.proto lays them out.
class Walk {
public:
    Walk(const fs::path& path, std::uint64_t size) : in_(path, std::ios::binary), size_(size), name_(path.string()) {
        file_.path = path;
        file_.size_bytes = size;
    }

    Result<OnnxFile> run() {
        if (!in_) {
            return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be read", name_),
                        "check its permissions", "path");
        }
        const bool walked = message(size_, [&](const Field& field) {
            if (field.number == 7 && field.has_bytes) return graph(field.end, -1, 0) >= 0;
            if (field.number == 14 && field.has_bytes) return pair(field.end, file_.metadata);
            return true;
        });
        if (!walked) return std::unexpected(*std::move(error_));
        if (file_.graphs.empty())
            return fail(ErrorCode::model_not_recognized, std::format("{} is no ONNX model", name_), kGetAnother,
                        "path");
        return std::move(file_);
    }

private:
    struct Field {
        std::uint64_t number = 0;
        bool has_bytes = false;  // they end at `end`; else it is `value`
        std::uint64_t value = 0;
        std::uint64_t end = 0;
    };

    bool stop(Error error) {
        if (!error_) error_ = std::move(error);
        return false;
    }
    bool corrupt(const std::string& what) {
        // What never made sense is no such file at all.
        if (file_.graphs.empty())
            return stop({ErrorCode::model_not_recognized, std::format("{} is no ONNX model ({})", name_, what),
                         kGetAnother, "path"});
        return stop({ErrorCode::model_corrupt, std::format("{} is damaged: {}", name_, what), kGetAnother, "path"});
    }
    bool truncated() {
        return stop({file_.graphs.empty() ? ErrorCode::model_not_recognized : ErrorCode::model_truncated,
                     std::format("{} ends where more should come (it has {} bytes)", name_, size_), kGetAnother,
                     "path"});
    }

    bool byte(std::uint8_t& into) {
        if (at_ >= size_) return truncated();
        if (at_ < base_ || at_ >= base_ + buffer_.size()) {
            buffer_.resize(std::min<std::uint64_t>(kBuffer, size_ - at_));
            in_.clear();
            if (!in_.seekg(static_cast<std::streamoff>(at_)) ||
                !in_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()))) {
                return stop(
                    {ErrorCode::io_error, std::format("reading {} failed", name_), "check the disk (dmesg)", "path"});
            }
            base_ = at_;
        }
        into = static_cast<std::uint8_t>(buffer_[at_ - base_]);
        ++at_;
        return true;
    }
    bool varint(std::uint64_t& into) {
        into = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            std::uint8_t next = 0;
            if (!byte(next)) return false;
            into |= static_cast<std::uint64_t>(next & 0x7FU) << shift;
            if (next < 0x80) return true;
        }
        return corrupt("a number without an end");
    }
    bool text(std::uint64_t end, std::string& into) {
        const auto length = end - at_;
        kept_ += length;
        if (length > kLongestText || kept_ > kMostText) return corrupt("names longer than any");
        into.resize(length);
        for (auto& each : into) {
            std::uint8_t next = 0;
            if (!byte(next)) return false;
            each = static_cast<char>(next);
        }
        return true;
    }

    template <class Take>
    bool message(std::uint64_t end, const Take& take) {
        while (at_ < end) {
            std::uint64_t key = 0;
            if (!varint(key)) return false;
            Field field{.number = key >> 3U};
            if (field.number == 0) return corrupt("a field without a number");
            switch (key & 7U) {
                case 0:
                    if (!varint(field.value)) return false;
                    break;
                case 1:
                case 5:
                    at_ += (key & 7U) == 1 ? 8 : 4;
                    break;
                case 2: {
                    std::uint64_t length = 0;
                    if (!varint(length)) return false;
                    field.has_bytes = true;
                    if (length > end - std::min(end, at_))
                        return end == size_ ? truncated() : corrupt("a part that is longer than the whole");
                    field.end = at_ + length;
                    break;
                }
                default:
                    return corrupt("a field of unknown form");
            }
            if (at_ > end) return end == size_ ? truncated() : corrupt("a field that is longer than its message");
            if (!take(field)) return false;
            if (field.has_bytes) at_ = field.end;
        }
        return true;
    }

    bool pair(std::uint64_t end, std::map<std::string, std::string, std::less<>>& into) {
        std::string key;
        std::string value;
        const bool walked = message(end, [&](const Field& field) {
            if (field.number == 1 && field.has_bytes) return text(field.end, key);
            if (field.number == 2 && field.has_bytes) return text(field.end, value);
            return true;
        });
        if (walked && !key.empty()) into[key] = std::move(value);
        return walked;
    }

    /// Its index; -1 after an error.
    int graph(std::uint64_t end, int parent, int depth) {
        if (depth > kDeepest) return corrupt("graphs within graphs without an end"), -1;
        const auto index = static_cast<int>(file_.graphs.size());
        file_.graphs.push_back({.parent = parent});
        const auto mine = [&]() -> OnnxGraph& { return file_.graphs[static_cast<std::size_t>(index)]; };
        const bool walked = message(end, [&](const Field& field) {
            if (!field.has_bytes) return true;
            switch (field.number) {
                case 1: {
                    if (++nodes_ > kMostNodes) return corrupt("more nodes than any model has");
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
                    if (!message(field.end, [&](const Field& of) {
                            return of.number != 1 || !of.has_bytes || text(of.end, name);
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
        const bool walked = message(end, [&](const Field& field) {
            if (!field.has_bytes) return true;
            switch (field.number) {
                case 1:
                    return text(field.end, into.inputs.emplace_back());
                case 2:
                    return text(field.end, into.outputs.emplace_back());
                case 3:
                    return text(field.end, into.name);
                case 4:
                    return text(field.end, into.op);
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
        const bool walked = message(end, [&](const Field& field) {
            if (field.number == 1 && field.has_bytes) return text(field.end, name);
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
            if (value > kLargest || into.shape.size() >= 8) return corrupt("a tensor of impossible shape");
            into.shape.push_back(static_cast<std::int64_t>(value));
            return true;
        };
        const bool walked = message(end, [&](const Field& field) {
            switch (field.number) {
                case 1:
                    return field.has_bytes ? packed(field.end, extents) : extents(field.value);
                case 2:
                    into.type = type_of(field.value);
                    return true;
                case 4:
                    // Floats one by one are as they would be in a row, where they are packed.
                    if (!field.has_bytes) return corrupt("floats that are not packed");
                    [[fallthrough]];
                case 9:
                    into.numbers = {.begin = at_, .size = field.end - at_};
                    has_numbers = true;
                    return true;
                case 5:
                case 7: {
                    const auto keep = [&](std::uint64_t value) {
                        if (into.integers.size() > kMostIntegers) return true;  // its shape has to tell
                        into.integers.push_back(std::bit_cast<std::int64_t>(value));
                        return true;
                    };
                    return field.has_bytes ? packed(field.end, keep) : keep(field.value);
                }
                case 8:
                    return !field.has_bytes || text(field.end, into.name);
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
                return corrupt(std::format("tensor {} is larger than any", into.name));
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
            return corrupt(std::format("tensor {} has not as many numbers as its shape says", into.name));
        return true;
    }

    template <class Take>
    bool packed(std::uint64_t end, const Take& take) {
        while (at_ < end) {
            std::uint64_t value = 0;
            if (!varint(value) || !take(value)) return false;
        }
        return at_ == end || corrupt("numbers that are longer than their field");
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
            return corrupt(std::format("tensor {} is in a file that is not beside it", into.name));
        if (!begin || !length || *length != bytes)
            return corrupt(std::format("tensor {} has not as many numbers as its shape says", into.name));
        const auto file = file_.path.parent_path() / named->second;
        std::error_code error;
        const auto size = fs::file_size(file, error);
        if (error) {
            return stop({ErrorCode::model_file_missing,
                         std::format("{} keeps weights in {}, which is not beside it", name_, named->second),
                         "download that file too, into the same folder", "path"});
        }
        if (*begin > size || bytes > size - *begin) {
            return stop({ErrorCode::model_truncated,
                         std::format("{} ends before tensor {} does (it has {} bytes)", file.string(), into.name, size),
                         kGetAnother, "path"});
        }
        into.beside = named->second;
        into.numbers = {.begin = *begin, .size = bytes};
        if (std::ranges::find(file_.beside, file) == file_.beside.end()) file_.beside.push_back(file);
        return true;
    }

    std::ifstream in_;
    const std::uint64_t size_;
    const std::string name_;
    std::uint64_t at_ = 0;
    std::vector<char> buffer_;
    std::uint64_t base_ = 0;
    std::uint64_t kept_ = 0;
    std::size_t nodes_ = 0;
    std::optional<Error> error_;
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

Result<std::vector<float>> numbers_of(const OnnxFile& file, const OnnxTensor& tensor) {
    if (tensor.type == OnnxType::other) {
        return fail(ErrorCode::model_unsupported,
                    std::format("tensor {} of {} is of a type that no weight has", tensor.name, file.path.string()),
                    "use files of f32, f16, 8-bit or 4-bit weights", "path");
    }
    std::vector<float> values(tensor.count());
    if (!tensor.integers.empty() || values.empty()) {
        // Halves are written as the integers of their bits.
        std::ranges::transform(tensor.integers, values.begin(), [&](std::int64_t value) {
            return tensor.type == OnnxType::float16 ? from_half(static_cast<Half>(value)) : static_cast<float>(value);
        });
        return values;
    }
    const auto path = tensor.beside.empty() ? file.path : file.path.parent_path() / tensor.beside;
    std::ifstream in(path, std::ios::binary);
    std::vector<char> bytes(tensor.numbers.size);
    if (!in.seekg(static_cast<std::streamoff>(tensor.numbers.begin)) ||
        !in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
        return fail(in.bad() ? ErrorCode::io_error : ErrorCode::model_truncated,
                    std::format("reading tensor {} of {} failed", tensor.name, path.string()),
                    "let nothing write to the file, and check the disk (dmesg)", "path");
    }
    const auto each = [&]<class T>(T, auto convert) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            T raw;
            std::memcpy(&raw, bytes.data() + i * sizeof(T), sizeof(T));
            values[i] = convert(raw);
        }
    };
    const auto plain = [](auto value) { return static_cast<float>(value); };
    switch (tensor.type) {
        case OnnxType::float32:
            each(float{}, plain);
            break;
        case OnnxType::uint8:
            each(std::uint8_t{}, plain);
            break;
        case OnnxType::int8:
            each(std::int8_t{}, plain);
            break;
        case OnnxType::int32:
            each(std::int32_t{}, plain);
            break;
        case OnnxType::int64:
            each(std::int64_t{}, plain);
            break;
        case OnnxType::float16:
            each(Half{}, from_half);
            break;
        case OnnxType::bfloat16:
            each(std::uint16_t{},
                 [](std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U); });
            break;
        case OnnxType::other:
            break;
    }
    return values;
}

}  // namespace hotmic::onnx
