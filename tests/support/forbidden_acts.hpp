/// What a confined process must not be able to do, tried from inside it.
#pragma once

#include <string>
#include <string_view>

namespace hotmic::testing {

/// Does it, and says what came of it: "ACT: done", or "ACT: WHY", as strerror says it. An act is one of
///   read:PATH  write:PATH  list:PATH  socket  listen  exec  fork  ptrace  signal (to the parent)  chmod:PATH
///   memory:MIB (taken and written to)  cpu (burnt for ever)  sleep (for ever)  crash
///   environment (says how many variables there are)  thread (starts one: allowed)
[[nodiscard]] std::string try_act(std::string_view act);

/// Several, with commas between; what came of them, with "; " between.
[[nodiscard]] std::string try_acts(std::string_view acts);

}  // namespace hotmic::testing
