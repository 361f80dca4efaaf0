/// An open file that is closed when it is no longer needed, and what is written with it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <span>
#include <utility>

#include "hotmic/error.hpp"

namespace hotmic::store {

class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    [[nodiscard]] explicit operator bool() const noexcept { return number_ >= 0; }
    [[nodiscard]] int get() const noexcept { return number_; }

private:
    int number_ = -1;
};

/// What went wrong with writing to `file`, from `errno`: disk_full or io_error, with what to do.
[[nodiscard]] Error write_error(const std::filesystem::path& file, int number);
/// Writes all of it. Errors: disk_full, io_error.
[[nodiscard]] Result<void> write_all(const Descriptor& descriptor, std::span<const char> bytes,
                                     const std::filesystem::path& file);
/// Writes a small file whole: beside, synced, renamed. Errors: disk_full, io_error.
[[nodiscard]] Result<void> replace_file(const std::filesystem::path& file, std::string_view text);
/// So that a file or folder (what it holds, under which names) survives a loss of power. Errors: io_error, disk_full.
[[nodiscard]] Result<void> sync(const std::filesystem::path& path);

}  // namespace hotmic::store
