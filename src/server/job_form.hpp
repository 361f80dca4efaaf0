/// A job's form: that of a transcription, with `task`, `webhook`, and `url` in place of a file.
#pragma once

#include <string>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "jobs/job.hpp"
#include "server/form.hpp"

namespace hotmic::server {

/// "transcribe", which an empty one means, too, or "translate". Errors: invalid_request.
[[nodiscard]] Result<Task> task_of(const std::string& name);

/// What a form asks for; its own fields are taken out of it. Errors: invalid_request.
[[nodiscard]] Result<jobs::Job> job_of(Form& form);

/// The form as it was, with a recording of so many bytes.
[[nodiscard]] Form form_of(const jobs::Job& job, Bytes recording);

}  // namespace hotmic::server
