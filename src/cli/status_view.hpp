/// What `hotmic status` draws: the models of a server and what happened to them last, as lines of text.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "cli/admin_client.hpp"

namespace hotmic::cli {

/// Two or three lines a model (state, progress or timings, slots), then the events, newest last. Coloured where stdout
/// wants that.
[[nodiscard]] std::string draw_status(const std::vector<RemoteModel>& models, const std::deque<RemoteEvent>& events);

/// "12:00:00.123  default  LOADING → WARMING_UP after 412 ms (loaded)"
[[nodiscard]] std::string describe(const RemoteEvent& event);

}  // namespace hotmic::cli
