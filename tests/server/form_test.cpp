#include "server/form.hpp"

#include <gmock/gmock.h>

namespace hotmic::server {
namespace {

using ::testing::HasSubstr;

using Fields = std::vector<std::pair<std::string, std::string>>;

Form form_with(Fields fields) {
    return {.fields = std::move(fields), .file = Bytes(3), .file_name = "speech.wav"};
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
    EXPECT_EQ(parse_form(form_with({{"language", "de"}}), Task::translate)->options.language, "de") << "what is spoken";
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
        Wrong{"response_format", "", ErrorCode::unsupported_response_format}, Wrong{"stream", "maybe", kInvalid},
        Wrong{"include[]", "tokens", kInvalid}, Wrong{"include", "logprobs", kUnsupported, Task::translate},
        Wrong{"chunking_strategy", "server_vad", kInvalid}, Wrong{"chunking_strategy", "[]", kInvalid},
        Wrong{"chunking_strategy[type]", "auto", kInvalid}, Wrong{"chunking_strategy[threshold]", "1.5", kInvalid},
        Wrong{"chunking_strategy[silence_duration_ms]", "-1", kInvalid},
        Wrong{"chunking_strategy[prefix_padding_ms]", "long", kInvalid},
        Wrong{"chunking_strategy[eagerness]", "low", kUnsupported}, Wrong{"keywords[]", "hotmic", kUnsupported},
        Wrong{"languages[]", "[\"de\",\"\"]", kInvalid}, Wrong{"tag_audio_events", "loud", kInvalid},
        Wrong{"known_speaker_names[]", "Ada", kUnsupported},
        Wrong{"known_speaker_references[]", "data:audio/wav;base64,", kUnsupported},
        Wrong{"channels", "left", kInvalid}, Wrong{"channels", "2", kInvalid}, Wrong{"max_line_width", "-1", kInvalid},
        Wrong{"max_line_width", "1001", kInvalid}, Wrong{"max_line_width", "41.5", kInvalid},
        Wrong{"max_line_width", "wide", kInvalid}, Wrong{"max_line_count", "0", kInvalid},
        Wrong{"max_line_count", "101", kInvalid}, Wrong{"max_line_width", "42", kInvalid},
        Wrong{"max_line_count", "2", kInvalid},  // in json there are no lines
        Wrong{"nonsense", "1", kUnsupported}, Wrong{"", "1", kUnsupported},
        Wrong{"timestamp_granularities[]", "word", kUnsupported, Task::translate}));

TEST(Form, SubtitlesHaveTheLinesThatAreAskedFor) {
    for (const auto* format : {"srt", "vtt"}) {
        const auto request =
            parse_form(form_with({{"response_format", format}, {"max_line_width", "0"}, {"max_line_count", "3"}}),
                       Task::translate);
        ASSERT_TRUE(request) << request.error().message;
        EXPECT_EQ(request->max_line_width, 0);
        EXPECT_EQ(request->max_line_count, 3);
    }
    EXPECT_FALSE(parse_form(form_with({{"response_format", "srt"}}), Task::transcribe)->max_line_width);
}

TEST(Form, ChannelsMayBeHeardSeparately) {
    const auto request = parse_form(form_with({{"channels", "separate"}}), Task::transcribe);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->channels, Channels::separate);
    EXPECT_FALSE(parse_form(form_with({}), Task::transcribe)->channels) << "as configured";
    const auto streamed = parse_form(form_with({{"channels", "separate"}, {"stream", "true"}}), Task::transcribe);
    ASSERT_FALSE(streamed);
    EXPECT_EQ(streamed.error().param, "channels");
}

class AllowedLanguages : public ::testing::TestWithParam<Fields> {};

TEST_P(AllowedLanguages, AreCodes) {
    for (const auto task : {Task::transcribe, Task::translate}) {
        const auto request = parse_form(form_with(GetParam()), task);
        ASSERT_TRUE(request) << request.error().message;
        EXPECT_THAT(request->options.languages, testing::ElementsAre("de", "en", "zh"));
    }
}

INSTANTIATE_TEST_SUITE_P(Form, AllowedLanguages,
                         testing::Values(Fields{{"languages[]", "de"}, {"languages[]", "en"}, {"languages[]", "zh"}},
                                         Fields{{"languages", "german, en-US,zh-CN"}},
                                         Fields{{"languages[]", R"(["de","English","zh"])"}},
                                         Fields{{"languages", "de,en,zh"}, {"language", "auto"}},
                                         Fields{{"languages", "de,en,zh"}, {"language", "en"}}));

TEST(Form, ALanguageIsOneOfThoseThatAreAllowed) {
    const auto request = parse_form(form_with({{"language", "fr"}, {"languages", "de,en"}}), Task::transcribe);
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().code, ErrorCode::invalid_request);
    EXPECT_EQ(request.error().param, "language");
    EXPECT_EQ(parse_form(form_with({{"languages", "tlh"}}), Task::transcribe)->options.languages.front(), "tlh")
        << "the model says what it thinks of that";
}

TEST(Form, SoundsAndUncoveredSpeechAreForWhoAsks) {
    const auto plain = parse_form(form_with({{"response_format", "verbose_json"}}), Task::transcribe);
    EXPECT_FALSE(plain->options.tag_audio_events);
    EXPECT_FALSE(plain->render.uncovered);
    for (const auto task : {Task::transcribe, Task::translate}) {
        const auto asked = parse_form(
            form_with({{"response_format", "verbose_json"}, {"include[]", "uncovered"}, {"tag_audio_events", "true"}}),
            task);
        ASSERT_TRUE(asked) << asked.error().message;
        EXPECT_TRUE(asked->options.tag_audio_events);
        EXPECT_TRUE(asked->render.uncovered);
    }
    const auto unfit = parse_form(form_with({{"include[]", "uncovered"}}), Task::transcribe);
    ASSERT_FALSE(unfit);
    EXPECT_EQ(unfit.error().param, "include");
}

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

TEST(Form, ATranslationMayNameTheLanguageSpoken) {
    const auto request = parse_form(form_with({{"language", "de"}}), Task::translate);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->options.language, "de");
}

struct Truth {
    std::string value;
    bool is;
};

class Truths : public ::testing::TestWithParam<Truth> {};

TEST_P(Truths, AreTakenAsClientsWriteThem) {
    const auto request = parse_form(form_with({{"stream", GetParam().value}}), Task::transcribe);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->stream, GetParam().is);
}

INSTANTIATE_TEST_SUITE_P(Form, Truths,
                         testing::Values(Truth{"true", true}, Truth{"True", true}, Truth{"1", true},
                                         Truth{"false", false}, Truth{"False", false}, Truth{"0", false},
                                         Truth{"", false}));

struct Locale {
    std::string value;
    std::string language;
};

class Locales : public ::testing::TestWithParam<Locale> {};

TEST_P(Locales, AreLanguages) {
    const auto request = parse_form(form_with({{"language", GetParam().value}}), Task::transcribe);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->options.language, GetParam().language);
}

INSTANTIATE_TEST_SUITE_P(Form, Locales,
                         testing::Values(Locale{"en-US", "en"}, Locale{"pt_BR", "pt"}, Locale{"zh-CN", "zh"},
                                         Locale{"zh-Hant-TW", "zh"}, Locale{"yue", "yue"}, Locale{"zh-yue", "yue"},
                                         Locale{"de_DE.UTF-8", "de"}, Locale{"German", "de"}, Locale{"auto", "auto"},
                                         Locale{"tlh-AQ", "tlh-AQ"}));  // the model says what it thinks of that

class ManyGranularities : public ::testing::TestWithParam<std::string> {};

TEST_P(ManyGranularities, ComeInOneField) {
    const auto request = parse_form(
        form_with({{"timestamp_granularities", GetParam()}, {"response_format", "verbose_json"}}), Task::transcribe);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_TRUE(request->render.words);
    EXPECT_TRUE(request->render.segments);
}

INSTANTIATE_TEST_SUITE_P(Form, ManyGranularities,
                         testing::Values("word,segment", "segment, word", R"(["word","segment"])",
                                         R"(["segment", "word"])"));

TEST(Form, WhatOtherServersKnowIsPassedOverWithAWarning) {
    for (const auto& extra : known_extras()) {
        const auto request = parse_form(form_with({{std::string(extra.name), "1"}}), Task::transcribe);
        ASSERT_TRUE(request) << extra.name;
        ASSERT_EQ(request->warnings.size(), 1U);
        EXPECT_THAT(request->warnings[0], HasSubstr(std::string(extra.name)));
        EXPECT_THAT(request->warnings[0], ::testing::Not(HasSubstr("\"")));  // it stands in a quoted string
    }
}

TEST(Form, AFileOfAnotherNameIsAHint) {
    for (const std::string name : {"audio_file", "file[]", "File", "audio"}) {
        Form form;
        form.other_files = {name};
        const auto request = parse_form(form, Task::transcribe);
        ASSERT_FALSE(request);
        EXPECT_EQ(request.error().code, ErrorCode::missing_file);
        EXPECT_THAT(request.error().message, HasSubstr("\"" + name + "\""));
        EXPECT_THAT(request.error().remedy, HasSubstr("\"file\""));
    }
    auto both = form_with({});
    both.other_files = {"cover"};
    EXPECT_EQ(parse_form(both, Task::transcribe).error().code, ErrorCode::unsupported_parameter);
}

TEST(Form, ParametersOfTheAddressAreFields) {
    auto form = form_with({{"language", "de"}});
    form.query = {{"response_format", "text"}, {"language", "fr"}, {"api-version", "2024-06-01"}};
    const auto request = parse_form(form, Task::transcribe);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->format, ResponseFormat::text);
    EXPECT_EQ(request->options.language, "de");  // the form counts more
    form.query = {{"response_format", "poem"}};
    EXPECT_EQ(parse_form(form, Task::transcribe).error().code, ErrorCode::unsupported_response_format);
}

TEST(Form, WhatIsQuotedInAnErrorIsShort) {
    for (const std::string field : {"language", "model", "temperature", "stream"}) {
        const auto request = parse_form(form_with({{field, std::string(60'000, 'x')}}), Task::transcribe);
        ASSERT_FALSE(request) << field;
        EXPECT_LT(request.error().message.size(), 1000U) << field;
    }
}

TEST(Form, AMissingFileAndAnEmptyOneAreTwoErrors) {
    const auto missing = parse_form({}, Task::transcribe);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::missing_file);
    EXPECT_EQ(missing.error().param, "file");

    const auto empty = parse_form({.fields = {}, .file = Bytes(), .file_name = {}}, Task::transcribe);
    ASSERT_FALSE(empty);
    EXPECT_EQ(empty.error().code, ErrorCode::audio_empty);
    EXPECT_EQ(empty.error().param, "file");
}

}  // namespace
}  // namespace hotmic::server
