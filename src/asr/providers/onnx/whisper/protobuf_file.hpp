/// Messages of protobuf (https://protobuf.dev/programming-guides/encoding/) in a file of a model, walked front to back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::onnx {

/// What to do about such a file when it is damaged.
inline constexpr const char* kExportAgain = "download or export the model again";

/// Holds a buffer, whatever the file says of its lengths. Every function gives false after an error, which `error` then
/// is; the first one counts.
class ProtobufFile {
public:
    ProtobufFile(const std::filesystem::path& path, std::uint64_t size);

    struct Field {
        std::uint64_t number = 0;
        bool has_bytes = false;  ///< they end at `end`; else it is `value`
        std::uint64_t value = 0;
        std::uint64_t end = 0;
    };
    /// Gives each field of the message that ends there to `take`, which may read the field's bytes or leave them.
    bool message(std::uint64_t end, const std::function<bool(const Field&)>& take);
    /// Integers in a row.
    bool packed(std::uint64_t end, const std::function<bool(std::uint64_t)>& take);
    /// Refuses texts that are longer than any name, each or all together.
    bool text(std::uint64_t end, std::string& into);

    [[nodiscard]] bool readable() const { return static_cast<bool>(in_); }
    [[nodiscard]] std::uint64_t position() const noexcept { return at_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    /// From here on what makes no sense is damage: before, it is no such file at all.
    void recognize() noexcept { recognized_ = true; }
    bool corrupt(const std::string& what);
    bool stop(Error error);
    [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

private:
    bool truncated();
    bool byte(std::uint8_t& into);
    bool varint(std::uint64_t& into);

    std::ifstream in_;
    const std::uint64_t size_;
    const std::string name_;
    std::uint64_t at_ = 0;
    std::vector<char> buffer_;
    std::uint64_t base_ = 0;  // of the buffer, in the file
    std::uint64_t kept_ = 0;  // bytes of texts
    bool recognized_ = false;
    std::optional<Error> error_;
};

}  // namespace hotmic::onnx
