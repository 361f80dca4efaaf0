/// Files within a zip archive, such as a Python wheel. Only what is asked for by name is taken out, as a stream; an
/// archive any of whose members would leave its folder is refused whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "hotmic/error.hpp"

namespace hotmic::store {

class Archive {
public:
    /// Reads the directory at the end of the file. Errors: io_error; download_refused (no archive, damaged, of a kind
    /// that is not read: encrypted, in several files, over 4 GB; or with a member that leaves its folder).
    [[nodiscard]] static Result<Archive> open(const std::filesystem::path& file);

    [[nodiscard]] bool has(const std::string& member) const { return members_.contains(member); }
    [[nodiscard]] std::uint64_t size_of(const std::string& member) const { return members_.at(member).size; }
    /// Gives all of a member's bytes to `take`, which may stop it with an error. Errors: as `open`, and those of
    /// `take`.
    [[nodiscard]] Result<void> extract(const std::string& member,
                                       const std::function<Result<void>(std::span<const char>)>& take) const;

private:
    struct Member {
        std::uint64_t begins_at = 0;  ///< of its local header
        std::uint64_t packed = 0;
        std::uint64_t size = 0;
        std::uint32_t crc = 0;
        int method = 0;
    };

    std::filesystem::path file_;
    std::map<std::string, Member> members_{};
};

}  // namespace hotmic::store
