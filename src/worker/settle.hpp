/// What every process of a worker's kind owes its machine.
#pragma once

namespace hotmic::worker {

/// Dies before the server when memory is short, leaves no core files, lets the server alone decide about signals from a
/// terminal, and logs to standard error, where the server reads it. `name`: as ps shows it.
void settle_in(const char* name);

}  // namespace hotmic::worker
