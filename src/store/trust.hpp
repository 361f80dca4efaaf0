/// Trust on first use: the digests of files that nobody could vouch for, as they came the first time.
#pragma once

#include <filesystem>
#include <string>

#include "hotmic/error.hpp"
#include "store/catalogue.hpp"

namespace hotmic::store {

class Trust {
public:
    /// `folder` is the store's.
    explicit Trust(const std::filesystem::path& folder) : file_(folder / ".trusted.json") {}

    /// Empty: it has never come.
    [[nodiscard]] std::string of(const std::string& origin) const;
    /// Errors: io_error, disk_full.
    [[nodiscard]] Result<void> remember(const std::string& origin, const std::string& sha256) const;

private:
    std::filesystem::path file_;
};

/// What a file is recognized by when it comes again, whichever mirror it comes from.
[[nodiscard]] std::string origin_of(const Source& source, const File& file);

}  // namespace hotmic::store
