/// Inside of JobStore: the tables, and jobs out of their rows.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <optional>

#include "jobs/job.hpp"

namespace hotmic::jobs {

/// "hmjb": what `file` and we know the database by.
inline constexpr int kApplication = 0x686d6a62;

extern const char* const kSchema;
/// In the order in which `row_of` reads them.
extern const char* const kColumns;

/// Times are whole milliseconds since 1970.
[[nodiscard]] std::int64_t ms_of(Time time);
[[nodiscard]] std::optional<Time> time_in(const SQLite::Column& column);
[[nodiscard]] Job row_of(SQLite::Statement& row);

}  // namespace hotmic::jobs
