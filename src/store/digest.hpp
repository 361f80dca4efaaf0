/// SHA-256 of files.
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "text/sha256.hpp"

namespace hotmic::store {

/// Reads a file into `digest`; `told` hears how many bytes have been read. Errors: model_file_missing, io_error,
/// load_cancelled.
[[nodiscard]] Result<Bytes> read_into(Sha256& digest, const std::filesystem::path& file,
                                      const std::function<void(Bytes)>& told = {}, const std::stop_token& stop = {});

}  // namespace hotmic::store
