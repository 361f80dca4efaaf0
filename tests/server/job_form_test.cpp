#include "server/job_form.hpp"

#include <gtest/gtest.h>

namespace hotmic::server {
namespace {

Form form_with(std::vector<std::pair<std::string, std::string>> fields) {
    return {.fields = std::move(fields), .file = Bytes(3), .file_name = "speech.wav"};
}

TEST(JobForm, ItsOwnFieldsAreTakenOutAndTheOthersComeBack) {
    auto form = form_with({{"model", "base"}, {"task", "translate"}, {"webhook", "https://a/"}, {"prompt", ""}});
    form.query = {{"language", "de"}};
    const auto job = job_of(form);
    ASSERT_TRUE(job) << job.error().describe();
    EXPECT_EQ(job->task, "translate");
    EXPECT_EQ(job->webhook.url, "https://a/");
    EXPECT_EQ(form.fields.size(), 2U);
    const auto again = form_of(*job, Bytes(7));
    EXPECT_EQ(again.fields, form.fields);
    EXPECT_EQ(again.query, form.query);
    EXPECT_EQ(again.file, Bytes(7));
    EXPECT_EQ(again.file_name, "speech.wav");
}

TEST(JobForm, WhatCannotBeKeptAsItIsIsRefused) {
    for (auto form : {form_with({{"prompt", "\xff"}}), form_with({{"task", "a"}, {"task", "b"}}),
                      form_with({{"url", "https://a/"}})}) {
        const auto job = job_of(form);
        ASSERT_FALSE(job);
        EXPECT_EQ(job.error().code, ErrorCode::invalid_request);
    }
}

TEST(JobForm, ATaskIsOneOfTwo) {
    EXPECT_EQ(task_of(""), Task::transcribe);
    EXPECT_EQ(task_of("translate"), Task::translate);
    EXPECT_EQ(task_of("sing").error().param, "task");
}

}  // namespace
}  // namespace hotmic::server
