#include "server/job_form.hpp"

#include <array>
#include <cstddef>
#include <format>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "jobs/job.hpp"
#include "server/form.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace {

/// Before the name of what was in the URL; no field's name begins so.
constexpr char kOfUrl = '?';
constexpr std::size_t kMostFileName = 256;

}  // namespace

Result<Task> task_of(const std::string& name) {
    if (name.empty() || name == "transcribe") return Task::transcribe;
    if (name == "translate") return Task::translate;
    constexpr std::size_t kShown = 100;
    return fail(ErrorCode::invalid_request, std::format("task is \"{}\"", cut(name, kShown)),
                "give transcribe or translate", "task");
}

Result<jobs::Job> job_of(Form& form) {
    jobs::Job job;
    const std::array<std::pair<std::string_view, std::string*>, 3> own{
        {{"task", &job.task}, {"url", &job.url}, {"webhook", &job.webhook.url}}};
    std::set<std::string_view> seen;
    for (auto& [name, value] : form.fields) {
        if (valid_utf8(name) != name || valid_utf8(value) != value)
            return fail(ErrorCode::invalid_request, std::format("the field \"{}\" is no UTF-8", name), "", name);
        std::string* into = nullptr;
        for (const auto& [known, text] : own) {
            if (known != name) continue;
            if (!seen.insert(known).second)
                return fail(ErrorCode::invalid_request, std::format("the form has two fields \"{}\"", name), "send one",
                            name);
            into = text;
        }
        if (into != nullptr)
            *into = std::move(value);
        else
            job.fields.emplace_back(std::move(name), std::move(value));
    }
    if (!job.url.empty() && form.file) {
        return fail(ErrorCode::invalid_request, "the form has both a file and a url", "send one recording a job",
                    "url");
    }
    form.fields = job.fields;
    for (const auto& [name, value] : form.query) job.fields.emplace_back(kOfUrl + valid_utf8(name), valid_utf8(value));
    job.file_name = valid_utf8(form.file_name.substr(0, kMostFileName));
    if (job.task.empty()) job.task = "transcribe";
    return job;
}

Form form_of(const jobs::Job& job, Bytes recording) {
    Form form{.fields = {}, .file = recording, .file_name = job.file_name};
    for (const auto& [name, value] : job.fields) {
        if (name.starts_with(kOfUrl))
            form.query.emplace_back(name.substr(1), value);
        else
            form.fields.emplace_back(name, value);
    }
    return form;
}

}  // namespace hotmic::server
