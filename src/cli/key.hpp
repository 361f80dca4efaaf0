/// `hotmic key`: a new API key, and its section in the file of keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hotmic::cli {

struct KeyFlags {
    std::string name{};
    std::vector<std::string> scopes{};      ///< none: transcribe
    std::string expires{};                  ///< 2027-01-01, 2027-01-01T12:00:00Z or 90d; empty: never
    std::uint32_t requests_per_minute = 0;  ///< 0: no limit, likewise the next two
    std::uint32_t max_requests = 0;
    std::uint32_t max_streams = 0;
    std::string add{};  ///< file that the section goes into; empty: it is printed
};

/// The key goes to standard output where the section goes into a file, else to standard error: so either can be
/// captured, and no file ever gets both. Returns the exit code.
int make_key(const KeyFlags& flags);

}  // namespace hotmic::cli
