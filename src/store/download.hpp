/// One file over the network, until all of it is here: goes on where it was cut off, waits where it is told to, checks
/// length and digest in the pass that writes it.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/transfer.hpp"

namespace hotmic::store {

struct Limits {
    Bytes max_size = mebibytes(16 << 10);    ///< of one file
    std::chrono::seconds timeout{6 * 3600};  ///< of a whole pull
    std::chrono::seconds stall{30};          ///< hardly anything comes
    int attempts = 4;                        ///< in a row at one source without a byte more
    std::chrono::milliseconds backoff{500};  ///< after the first of them; doubled
    std::chrono::seconds patience{60};       ///< longest Retry-After that is waited for
};

/// Left free on the disk.
inline constexpr Bytes kSpare = mebibytes(32);

struct Wanted {
    std::string url;
    std::string token{};
    Bytes size{};          ///< none: not known
    std::string digest{};  ///< empty: not known
};

struct Fetched {
    Bytes size{};
    std::string sha256{};
};

/// Hears how much of the file is here; also called without news, about once a second.
using Heard = std::function<void(Bytes)>;

/// Fetches into `part`, whatever is there already included where that can be told to be a part of it. On success `part`
/// is the whole file. What has come stays for the next time, except when the disk is full or the digest is wrong.
[[nodiscard]] std::expected<Fetched, Failed> download(Transfer& transfer, const Wanted& wanted,
                                                      const std::filesystem::path& part, const Limits& limits,
                                                      std::chrono::steady_clock::time_point until, const Heard& heard,
                                                      const std::stop_token& stop);

/// Errors: disk_full where less than `size` and a reserve are free for `folder`.
[[nodiscard]] Result<void> check_space(const std::filesystem::path& folder, Bytes size);

/// Waits, calling `beat` meanwhile; false when `stop` was requested or `until` has passed.
[[nodiscard]] bool wait(std::chrono::milliseconds how_long, std::chrono::steady_clock::time_point until,
                        const std::function<void()>& beat, const std::stop_token& stop);

}  // namespace hotmic::store
