#include "asr/providers/onnx/model_check.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "asr/providers/onnx/protobuf.hpp"
#include "hotmic/error.hpp"
#include "text/utf8.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;
using Field = ProtobufMessage::Field;

constexpr const char* kGetAnother = "download or export the model again, and trust only those who made it";
constexpr std::size_t kShown = 200;
constexpr std::size_t kMostValues = 10'000;
constexpr std::size_t kMostDimensions = 16;
constexpr std::size_t kLongestName = 4096;
constexpr std::size_t kLongestEntry = 1 << 20;  // of metadata
constexpr int kDeepest = 32;

// onnx.proto: the numbers of the fields that are looked at.
enum ModelProto : std::uint8_t { kGraph = 7, kMetadata = 14, kTraining = 20, kFunctions = 25 };
enum GraphProto : std::uint8_t { kNode = 1, kInitializer = 5, kInput = 11, kOutput = 12, kSparseInitializer = 15 };
enum NodeProto : std::uint8_t { kAttribute = 5 };
enum AttributeProto : std::uint8_t {
    kTensorValue = 5,
    kGraphValue = 6,
    kTensorValues = 10,
    kGraphValues = 11,
    kSparseValue = 22,
    kSparseValues = 23,
};
enum SparseTensorProto : std::uint8_t { kSparseNumbers = 1, kSparseIndices = 2 };
enum TrainingInfoProto : std::uint8_t { kInitialization = 1, kAlgorithm = 2 };
enum FunctionProto : std::uint8_t { kFunctionNode = 7, kFunctionAttribute = 11 };
enum TensorProto : std::uint8_t { kDims = 1, kDataType = 2, kTensorName = 8, kExternalData = 13, kDataLocation = 14 };
enum Entry : std::uint8_t { kKey = 1, kValue = 2 };

constexpr std::uint64_t kOutside = 1;  // TensorProto.DataLocation.EXTERNAL

class Check {
public:
    Check(std::span<const std::byte> model, const fs::path& path) : model_(model), path_(path) {
        facts_.size_bytes = model.size();
    }

    Result<ModelFacts> run() {
        const bool walked = fields(model_, [&](const Field& field) {
            switch (field.number) {
                case kGraph:
                    has_graph_ = true;
                    return graph(field, 0, true);
                case kMetadata:
                    return entry(field, [&](std::string key, std::string value) {
                        facts_.metadata[std::move(key)] = std::move(value);
                        return true;
                    });
                case kTraining:
                    return fields(field.bytes, [&](const Field& part) {
                        return (part.number != kInitialization && part.number != kAlgorithm) || graph(part, 0, false);
                    });
                case kFunctions:
                    return fields(field.bytes, [&](const Field& part) {
                        if (part.number == kFunctionNode) return node(part, 0);
                        return part.number != kFunctionAttribute || attribute(part, 0);
                    });
                default:
                    return true;
            }
        });
        if (!walked) return std::unexpected(*std::move(error_));
        if (!has_graph_) return not_a_model("it has no graph");
        std::erase_if(facts_.inputs, [&](const ModelValue& value) { return constants_.contains(value.name); });
        return std::move(facts_);
    }

private:
    [[nodiscard]] std::unexpected<Error> not_a_model(const std::string& why) const {
        return fail(ErrorCode::model_not_recognized, std::format("{} is no ONNX model: {}", path_.string(), why),
                    "name a model's folder or file", "path");
    }

    bool refuse(ErrorCode code, const std::string& what) {
        if (!error_) error_ = Error{code, std::format("{} {}", path_.string(), what), kGetAnother, "path"};
        return false;
    }
    bool corrupt(const std::string& what) { return refuse(ErrorCode::model_corrupt, "is damaged: " + what); }

    /// Walks one message. `take` returns whether to go on.
    template <class Take>
    bool fields(std::span<const std::byte> bytes, const Take& take) {
        ProtobufMessage message(bytes);
        while (const auto field = message.next()) {
            if (!take(*field)) return false;
        }
        if (!message.damaged()) return true;
        if (!has_graph_ && bytes.data() == model_.data()) {
            // What never made sense is no such file at all.
            if (!error_) error_ = not_a_model("it does not begin like one").error();
            return false;
        }
        const bool ends_here = message.cut() && bytes.data() + bytes.size() == model_.data() + model_.size();
        return ends_here ? refuse(ErrorCode::model_truncated, "ends in the middle") : corrupt("a field has no form");
    }

    /// A submessage must be one: the library refuses what has another form there, or passes over it.
    bool is_message(const Field& field) { return field.has_bytes || corrupt("a number where a part should be"); }

    template <class Take>
    bool entry(const Field& field, const Take& take) {
        if (!is_message(field)) return false;
        std::string key;
        std::string value;
        const bool walked = fields(field.bytes, [&](const Field& part) {
            if (!part.has_bytes) return true;
            if (part.bytes.size() > kLongestEntry) return corrupt("an entry is longer than any");
            if (part.number == kKey) key = valid_utf8(part.text());
            // As it is: what is looked at here is what the runtime takes.
            if (part.number == kValue) value = part.text();
            return true;
        });
        return walked && take(std::move(key), std::move(value));
    }

    bool graph(const Field& field, int depth, bool is_main) {
        if (!is_message(field)) return false;
        if (depth > kDeepest) return corrupt("its graphs lie within each other without an end");
        return fields(field.bytes, [&](const Field& part) {
            switch (part.number) {
                case kNode:
                    return node(part, depth);
                case kInitializer:
                    return tensor(part, is_main);
                case kSparseInitializer:
                    return sparse_tensor(part);
                case kInput:
                    return !is_main || value_info(part, facts_.inputs);
                case kOutput:
                    return !is_main || value_info(part, facts_.outputs);
                default:
                    return true;
            }
        });
    }

    bool node(const Field& field, int depth) {
        return is_message(field) && fields(field.bytes, [&](const Field& part) {
                   return part.number != kAttribute || attribute(part, depth);
               });
    }

    bool attribute(const Field& field, int depth) {
        return is_message(field) && fields(field.bytes, [&](const Field& part) {
                   switch (part.number) {
                       case kTensorValue:
                       case kTensorValues:
                           return tensor(part, false);
                       case kGraphValue:
                       case kGraphValues:
                           return graph(part, depth + 1, false);
                       case kSparseValue:
                       case kSparseValues:
                           return sparse_tensor(part);
                       default:
                           return true;
                   }
               });
    }

    bool sparse_tensor(const Field& field) {
        return is_message(field) && fields(field.bytes, [&](const Field& part) {
                   return (part.number != kSparseNumbers && part.number != kSparseIndices) || tensor(part, false);
               });
    }

    bool tensor(const Field& field, bool is_constant) {
        if (!is_message(field)) return false;
        std::uint64_t count = 1;
        std::uint64_t type = 0;
        bool is_outside = false;
        std::optional<std::string> location;
        std::uint64_t offset = 0;
        std::uint64_t length = 0;
        std::string name;
        const auto extent = [&](std::uint64_t value) {
            if (std::bit_cast<std::int64_t>(value) < 0) return corrupt("a tensor has a negative dimension");
            if (__builtin_mul_overflow(count, value, &count)) return corrupt("a tensor is larger than any memory");
            return true;
        };
        const bool walked = fields(field.bytes, [&](const Field& part) {
            switch (part.number) {
                case kDims: {
                    if (!part.has_bytes) return extent(part.value);
                    ProtobufMessage row(part.bytes);
                    while (const auto value = row.next_integer()) {
                        if (!extent(*value)) return false;
                    }
                    return !row.damaged() || corrupt("a tensor's dimensions have no form");
                }
                case kDataType:
                    type = part.value;
                    return true;
                case kTensorName:
                    if (!part.has_bytes || part.bytes.size() > kLongestName) return corrupt("a name is no name");
                    name = part.text();
                    return true;
                case kDataLocation:
                    is_outside = is_outside || part.value == kOutside;
                    return true;
                case kExternalData:
                    return entry(part, [&](const std::string& key, std::string value) {
                        if (key == "location") {
                            // The last one counts; each is looked at.
                            if (location && !is_within_folder(*location)) return false;
                            location = std::move(value);
                            return true;
                        }
                        if (key == "offset") return number(value, offset);
                        return key != "length" || number(value, length);
                    });
                default:
                    return true;
            }
        });
        if (!walked) return false;
        if (is_outside && !location) return corrupt("a tensor's numbers are elsewhere, but it does not say where");
        if (location && !is_in_file(*location, offset, length)) return false;
        constexpr std::uint64_t kUint8 = 2;
        constexpr std::uint64_t kInt8 = 3;
        if (is_constant) constants_.insert(name);
        ++facts_.tensors;
        facts_.parameters += count;
        if ((type == kUint8 || type == kInt8) && count > 1) facts_.has_bytes = true;
        return true;
    }

    bool number(const std::string& digits, std::uint64_t& into) {
        const auto* const end = digits.data() + digits.size();
        const auto [at, error] = std::from_chars(digits.data(), end, into);
        return (error == std::errc() && at == end && into <= 1ull << 62U) ||
               corrupt("a place in another file is no number");
    }

    /// A plain name within the model's own folder, links followed.
    bool is_within_folder(const std::string& location) {
        const auto shown = cut(valid_utf8(location), kShown);
        const auto leads_out = [&] {
            return refuse(ErrorCode::model_corrupt,
                          std::format("takes numbers from outside of its folder (\"{}\")", shown));
        };
        // What onnxruntime takes for addresses: kTensorProtoMemoryAddressTag.
        if (location.contains("_ORT_MEM_ADDR_")) return leads_out();
        if (location.empty() || location.contains('\0') || location.contains('\\')) return leads_out();
        const fs::path place(location);
        if (place.is_absolute() || std::ranges::contains(place, fs::path(".."))) return leads_out();
        std::error_code error;
        const auto folder = fs::canonical(path_.parent_path().empty() ? fs::path(".") : path_.parent_path(), error);
        if (error) return corrupt("its folder cannot be read");
        const auto real = fs::canonical(folder / place, error);
        if (error) {
            return refuse(ErrorCode::model_corrupt,
                          std::format("needs a file \"{}\" beside it, which is not there", shown));
        }
        const auto [here, there] = std::ranges::mismatch(folder, real);
        return here == folder.end() || leads_out();
    }

    bool is_in_file(const std::string& location, std::uint64_t offset, std::uint64_t length) {
        if (!is_within_folder(location)) return false;
        const auto file = path_.parent_path() / location;
        std::error_code error;
        if (!fs::is_regular_file(file, error)) return corrupt("what should be a file beside it is none");
        const auto size = fs::file_size(file, error);
        if (error || offset > size || length > size - offset) {
            return refuse(ErrorCode::model_truncated,
                          std::format("takes numbers from beyond the end of {}", file.string()));
        }
        if (files_.insert(file).second) facts_.size_bytes += size;
        facts_.has_files_beside = true;
        return true;
    }

    bool value_info(const Field& field, std::vector<ModelValue>& into) {
        enum ValueInfoProto : std::uint8_t { kName = 1, kType = 2 };
        enum TypeProto : std::uint8_t { kTensorType = 1 };
        if (!is_message(field)) return false;
        if (into.size() >= kMostValues) return corrupt("it has more inputs or outputs than any model");
        ModelValue value;
        const bool walked = fields(field.bytes, [&](const Field& part) {
            if (part.number == kName && part.has_bytes) {
                if (part.bytes.size() > kLongestName) return corrupt("a name is no name");
                value.name = valid_utf8(part.text());
            }
            if (part.number != kType) return true;
            return is_message(part) && fields(part.bytes, [&](const Field& type) {
                       return type.number != kTensorType || (is_message(type) && tensor_type(type, value));
                   });
        });
        into.push_back(std::move(value));
        return walked;
    }

    bool tensor_type(const Field& field, ModelValue& value) {
        enum TensorTypeProto : std::uint8_t { kElementType = 1, kShape = 2 };
        enum ShapeProto : std::uint8_t { kDimension = 1 };
        enum DimensionProto : std::uint8_t { kDimensionValue = 1 };
        return fields(field.bytes, [&](const Field& part) {
            if (part.number == kElementType && part.value < 64) value.type = static_cast<int>(part.value);
            if (part.number != kShape) return true;
            return is_message(part) && fields(part.bytes, [&](const Field& each) {
                       if (each.number != kDimension) return true;
                       if (value.shape.size() >= kMostDimensions) return corrupt("a value has too many dimensions");
                       std::int64_t size = -1;
                       const bool walked = is_message(each) && fields(each.bytes, [&](const Field& dimension) {
                                               if (dimension.number == kDimensionValue && !dimension.has_bytes)
                                                   size = std::bit_cast<std::int64_t>(dimension.value);
                                               return true;
                                           });
                       value.shape.push_back(size);
                       return walked;
                   });
        });
    }

    const std::span<const std::byte> model_;
    const fs::path path_;
    ModelFacts facts_{};
    std::set<std::string> constants_{};
    std::set<fs::path> files_{};
    std::optional<Error> error_{};
    bool has_graph_ = false;
};

}  // namespace

Result<ModelFacts> check_model(std::span<const std::byte> model, const fs::path& path) {
    if (model.empty()) {
        return fail(ErrorCode::model_truncated, std::format("{} is empty", path.string()), kGetAnother, "path");
    }
    return Check(model, path).run();
}

}  // namespace hotmic::onnx
