/// What the admin API's routes share: jobs and errors as JSON, keys out of a body, and who may.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/schema.hpp"
#include "hotmic/error.hpp"
#include "hotmic/served_model.hpp"
#include "server/context.hpp"
#include "server/http/message.hpp"

namespace hotmic::server {
namespace wire {

struct AdminError {
    std::string code;
    std::string message;
    std::string remedy;
};

struct AdminDownload {
    std::uint64_t done_bytes = 0;
    std::optional<std::uint64_t> total_bytes;
    std::optional<double> bytes_per_second;
    std::optional<double> eta_seconds;
};

struct AdminJob {
    std::string id;
    std::string kind;
    std::string model;
    std::string state;
    std::string step;
    std::optional<std::string> instance;
    std::optional<AdminDownload> download;  // of a pull, once it has begun
    std::optional<AdminError> error;
    std::string began;
    double duration_ms = 0;
};
struct JobBody {
    AdminJob job;
};
struct JobsBody {
    std::vector<AdminJob> jobs;
};

}  // namespace wire

[[nodiscard]] wire::AdminError describe(const Error& error);
[[nodiscard]] wire::AdminJob describe(const Job& job);
/// With the job's own address in Location.
[[nodiscard]] Response respond_job(const Job& job, int status);

/// The keys of a JSON object; those of an object within are "outer.inner", as in a configuration file. An empty body
/// has none. Errors: invalid_request.
[[nodiscard]] Result<std::map<std::string, config::Value>> keys_of(const std::string& body);

/// The answer for whoever may not administer; nothing for those who may.
[[nodiscard]] std::optional<Response> refuse_strangers(const Context& context, http::Request& request);
/// The answer to a request that failed; counted.
[[nodiscard]] Response refusal(const Context& context, const Error& error, const http::Request& request);

}  // namespace hotmic::server
