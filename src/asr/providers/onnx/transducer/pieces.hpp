/// The pieces of words that a transducer emits, and how words are made of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::onnx {

using Piece = std::int32_t;

/// A table of pieces, by number.
class Pieces {
public:
    struct Entry {
        std::string
            bytes{};  ///< that the piece stands for, without the mark of a word's beginning; may be part of a character
        bool begins_word = false;   ///< a space comes before it
        bool stands_alone = false;  ///< a character of a script without spaces: a word by itself
    };

    /// Reads `tokens.txt`: a line for each piece, its text and its number, the numbers without gaps from 0 on. "▁" is a
    /// space, "<0x41>" a byte, and what else has the form "<…>" stands for nothing. Errors: model_file_missing,
    /// model_file_unreadable, model_corrupt.
    [[nodiscard]] static Result<Pieces> read(const std::filesystem::path& file);

    /// Writes letters in that case from now on: "lower" or "upper"; anything else leaves them as they are.
    void write_in(const std::string& text_case);

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] const Entry& operator[](Piece piece) const { return entries_.at(static_cast<std::size_t>(piece)); }
    /// The piece that stands for what the model does not know; it is never text.
    [[nodiscard]] std::optional<Piece> unknown() const noexcept { return unknown_; }

private:
    std::vector<Entry> entries_;
    std::optional<Piece> unknown_;
};

}  // namespace hotmic::onnx
