/// The promise of an answer that a handler is given.
#pragma once

#include <functional>
#include <optional>

#include "server/http/message.hpp"

namespace hotmic::http {

/// Calls `answer` once, on whatever thread: with the first response that any copy of the Respond is called with, or
/// with none when the last copy goes and none was called.
[[nodiscard]] Respond respond_once(std::function<void(std::optional<Response>)> answer);

}  // namespace hotmic::http
