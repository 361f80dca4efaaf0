#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <format>
#include <fstream>
#include <ios>
#include <vector>

#include "asr/providers/onnx/half_kernels.hpp"
#include "asr/providers/onnx/whisper/onnx_file.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {

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
