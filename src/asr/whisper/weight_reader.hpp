/// Reads a model file for an engine: once, front to back, counting, hashing, and stopping when told to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "text/sha256.hpp"

namespace hotmic::whisper {

/// Bytes of a file: [begin, begin + size).
struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
};

/// A file whose structure has been checked.
struct FileLayout {
    std::uint64_t size_bytes = 0;
    /// Where the tensors' numbers are, in order.
    std::vector<Extent> data{};
    /// Everything that is not a tensor's number, in order: what was checked, and what an engine must be given.
    std::string skeleton{};
};

/// libwhisper ignores how much a read returned and trusts every length and type it is given. So this keeps to what was
/// checked: the file's skeleton comes from memory and is only compared with the file, the tensors' numbers come from
/// the file, and what cannot be read is zero. After the load `verdict` tells whether the engine was given the file.
///
/// One thread; `file` and `progress` outlive it.
class WeightReader {
public:
    WeightReader(const std::filesystem::path& path, const FileLayout& file, LoadProgress& progress,
                 std::stop_token stop);

    /// Errors: load_cancelled (stop was requested), io_error (the disk failed), model_truncated and
    /// model_corrupt (the file became shorter, longer or another since it was checked).
    [[nodiscard]] Result<void> verdict();

    /// SHA-256 of what has been read, lower-case hex.
    [[nodiscard]] std::string digest() const { return digest_.hex(); }

    /// What the engine calls: fills `into` whatever happens, returns how many bytes are the file's.
    std::size_t read(char* into, std::size_t count);
    /// Nothing more will come.
    [[nodiscard]] bool ended() const noexcept { return ended_; }

private:
    std::size_t read_some(char* into, std::size_t count);

    const std::string name_;
    std::ifstream stream_;
    const FileLayout& file_;
    LoadProgress& progress_;
    const std::stop_token stop_;
    Sha256 digest_;
    std::uint64_t read_ = 0;
    std::uint64_t reported_ = 0;
    std::size_t skeleton_ = 0;  // bytes of the skeleton given out
    std::size_t extent_ = 0;    // the tensor that read_ is in or before
    bool ended_ = false;
    bool stopped_ = false;
    bool changed_ = false;
};

}  // namespace hotmic::whisper
