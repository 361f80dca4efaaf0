/// From a form to what a model is asked, and to how the answer looks: for requests and for jobs.
#pragma once

#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "server/form.hpp"
#include "server/recognition.hpp"

namespace hotmic::server {

struct Transcribing {
    TranscriptionRequest wanted;
    Recognition::Order order;
};

/// What the configuration says where the form does not is filled in. Errors: those of `parse_form`.
[[nodiscard]] Result<Transcribing> make_transcribing(const config::Server& standard, const Form& form, Task task);

}  // namespace hotmic::server
