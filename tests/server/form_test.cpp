#include "server/form.hpp"

#include <gmock/gmock.h>

namespace hotmic::server {
namespace {

using ::testing::HasSubstr;

using Fields = std::vector<std::pair<std::string, std::string>>;

Form form_with(Fields fields) {
    return {.fields = std::move(fields),
            .file = std::make_shared<std::vector<std::byte>>(3, std::byte{1}),
            .file_name = "speech.wav"};
}

TEST(Form, AFileAloneMeansTheDefaults) {
    const auto request = parse_form(form_with({}), Task::transcribe);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->model, "");
    EXPECT_EQ(request->format, ResponseFormat::json);
    EXPECT_EQ(request->options.task, Task::transcribe);
    EXPECT_EQ(request->options.temperature, 0);
    EXPECT_FALSE(request->options.word_timestamps);
}

TEST(Form, EveryFieldArrives) {
    const auto request = parse_form(form_with({{"model", "whisper-1"},
                                               {"language", "de"},
                                               {"prompt", "Grüße"},
                                               {"temperature", "0.25"},
                                               {"response_format", "verbose_json"},
                                               {"stream", "false"},
                                               {"chunking_strategy", "auto"}}),
                                    Task::transcribe);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->model, "whisper-1");
    EXPECT_EQ(request->options.language, "de");
    EXPECT_EQ(request->options.prompt, "Grüße");
    EXPECT_EQ(request->options.temperature, 0.25);
    EXPECT_EQ(request->format, ResponseFormat::verbose_json);
}

TEST(Form, ATranslationIsOneInEverything) {
    const auto request = parse_form(form_with({}), Task::translate);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->options.task, Task::translate);
    EXPECT_EQ(request->render.task, Task::translate);
}

struct Granularity {
    Fields fields;
    bool words;
    bool segments;
};

class Granularities : public ::testing::TestWithParam<Granularity> {};

TEST_P(Granularities, ChooseWhatVerboseJsonLists) {
    auto fields = GetParam().fields;
    fields.emplace_back("response_format", "verbose_json");
    const auto request = parse_form(form_with(fields), Task::transcribe);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->render.words, GetParam().words);
    EXPECT_EQ(request->options.word_timestamps, GetParam().words);
    EXPECT_EQ(request->render.segments, GetParam().segments);
}

INSTANTIATE_TEST_SUITE_P(
    Form, Granularities,
    testing::Values(
        Granularity{{}, false, true}, Granularity{{{"timestamp_granularities[]", "segment"}}, false, true},
        Granularity{{{"timestamp_granularities[]", "word"}}, true, false},
        Granularity{{{"timestamp_granularities", "word"}}, true, false},
        Granularity{{{"timestamp_granularities[]", "word"}, {"timestamp_granularities[]", "segment"}}, true, true}));

TEST(Form, WordsNeedVerboseJson) {
    const auto request = parse_form(form_with({{"timestamp_granularities[]", "word"}}), Task::transcribe);
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().code, ErrorCode::invalid_request);
    EXPECT_EQ(request.error().param, "timestamp_granularities");
}

struct Wrong {
    std::string field;
    std::string value;
    ErrorCode code;
    Task task = Task::transcribe;
};

class WrongFields : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongFields, AreRefusedByName) {
    const auto& [field, value, code, task] = GetParam();
    const auto request = parse_form(form_with({{field, value}}), task);
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().code, code) << request.error().message;
    EXPECT_EQ(request.error().param, field);
    EXPECT_THAT(request.error().message, HasSubstr(field));
    EXPECT_NE(request.error().remedy, "");
}

constexpr auto kUnsupported = ErrorCode::unsupported_parameter;
constexpr auto kInvalid = ErrorCode::invalid_request;

INSTANTIATE_TEST_SUITE_P(
    Form, WrongFields,
    testing::Values(
        Wrong{"temperature", "1.01", kInvalid}, Wrong{"temperature", "-0.1", kInvalid},
        Wrong{"temperature", "nan", kInvalid}, Wrong{"temperature", "inf", kInvalid},
        Wrong{"temperature", "0,5", kInvalid}, Wrong{"temperature", "", kInvalid},
        Wrong{"temperature", "0.5 ", kInvalid}, Wrong{"timestamp_granularities[]", "letter", kInvalid},
        Wrong{"response_format", "xml", ErrorCode::unsupported_response_format},
        Wrong{"response_format", "diarized_json", ErrorCode::unsupported_response_format},
        Wrong{"response_format", "", ErrorCode::unsupported_response_format}, Wrong{"stream", "yes", kInvalid},
        Wrong{"include[]", "tokens", kInvalid}, Wrong{"include", "logprobs", kUnsupported, Task::translate},
        Wrong{"chunking_strategy", "server_vad", kInvalid}, Wrong{"chunking_strategy", "[]", kInvalid},
        Wrong{"chunking_strategy[type]", "auto", kInvalid}, Wrong{"chunking_strategy[threshold]", "1.5", kInvalid},
        Wrong{"chunking_strategy[silence_duration_ms]", "-1", kInvalid},
        Wrong{"chunking_strategy[prefix_padding_ms]", "long", kInvalid},
        Wrong{"chunking_strategy[eagerness]", "low", kUnsupported}, Wrong{"keywords[]", "hotmic", kUnsupported},
        Wrong{"languages[]", "de", kUnsupported}, Wrong{"known_speaker_names[]", "Ada", kUnsupported},
        Wrong{"known_speaker_references[]", "data:audio/wav;base64,", kUnsupported},
        Wrong{"nonsense", "1", kUnsupported}, Wrong{"", "1", kUnsupported},
        Wrong{"language", "de", kUnsupported, Task::translate},
        Wrong{"timestamp_granularities[]", "word", kUnsupported, Task::translate}));

/// As the SDKs send an object, and as JSON by hand; in any order.
class ChunkedByVoice : public ::testing::TestWithParam<Fields> {};

TEST_P(ChunkedByVoice, TakesWhatIsTold) {
    const auto request = parse_form(form_with(GetParam()), Task::transcribe);
    ASSERT_TRUE(request) << request.error().message;
    ASSERT_TRUE(request->chunking);
    EXPECT_EQ(request->chunking->threshold, 0.75);
    EXPECT_EQ(request->chunking->prefix, std::chrono::milliseconds(300)) << "the default";
    EXPECT_EQ(request->chunking->silence, std::chrono::milliseconds(800));
}

INSTANTIATE_TEST_SUITE_P(Form, ChunkedByVoice,
                         testing::Values(Fields{{"chunking_strategy[threshold]", "0.75"},
                                                {"chunking_strategy[type]", "server_vad"},
                                                {"chunking_strategy[silence_duration_ms]", "800"}},
                                         Fields{
                                             {"chunking_strategy",
                                              R"({"type":"server_vad","threshold":0.75,"silence_duration_ms":800})"}}));

TEST(Form, ChunksWithoutATypeAreRefused) {
    const auto request = parse_form(form_with({{"chunking_strategy[threshold]", "0.5"}}), Task::transcribe);
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().param, "chunking_strategy[type]");
    const auto automatic = parse_form(form_with({{"chunking_strategy", "auto"}}), Task::transcribe);
    ASSERT_TRUE(automatic);
    EXPECT_FALSE(automatic->chunking);
}

TEST(Form, AMissingFileAndAnEmptyOneAreTwoErrors) {
    const auto missing = parse_form({}, Task::transcribe);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::missing_file);
    EXPECT_EQ(missing.error().param, "file");

    const auto empty = parse_form({.fields = {}, .file = std::make_shared<std::vector<std::byte>>(), .file_name = {}},
                                  Task::transcribe);
    ASSERT_FALSE(empty);
    EXPECT_EQ(empty.error().code, ErrorCode::audio_empty);
    EXPECT_EQ(empty.error().param, "file");
}

}  // namespace
}  // namespace hotmic::server
