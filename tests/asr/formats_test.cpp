#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <glaze/glaze.hpp>

#include "asr/formats.hpp"

namespace hotmic {
namespace {

using ::testing::HasSubstr;

Transcript sample() {
    return {.text = " Hello there. General <K> & co.",
            .language = "en",
            .duration = Seconds(3.2),
            .segments = {
                {.start = Seconds(0),
                 .end = Seconds(1.5),
                 .text = " Hello there.",
                 .tokens = {1, 2},
                 .temperature = 0,
                 .avg_logprob = -0.25,
                 .no_speech_prob = 0.01,
                 .words = {{"Hello", Seconds(0), Seconds(0.7), 0.9}, {"there.", Seconds(0.7), Seconds(1.5), 0.8}}},
                {.start = Seconds(1.5), .end = Seconds(3661.0625), .text = " General <K> & co.", .avg_logprob = -0.5}}};
}

TEST(Formats, AreFoundByNameAndOthersRefusedWithAList) {
    EXPECT_EQ(parse_response_format("verbose_json"), ResponseFormat::verbose_json);
    const auto unknown = parse_response_format("yaml");
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, ErrorCode::unsupported_response_format);
    EXPECT_THAT(unknown.error().remedy, HasSubstr("json, text, srt, vtt or verbose_json"));
}

TEST(Formats, EachIsFoundByItsNameAndSaysWhatItIs) {
    for (const auto name : response_format_names()) {
        const auto format = parse_response_format(name);
        ASSERT_TRUE(format) << name;
        EXPECT_EQ(name_of(*format), name);
        EXPECT_THAT(std::string(content_type_of(*format)), HasSubstr("/")) << name;
        EXPECT_TRUE(extension_of(*format).starts_with('.')) << name;
        EXPECT_EQ(needs_words(*format, {}), is_subtitles(*format)) << name;
        EXPECT_THAT(render(sample(), *format, {}), HasSubstr("Hello there.")) << name;
    }
}

TEST(Formats, JsonHoldsTextAndUsage) {
    EXPECT_EQ(render(sample(), ResponseFormat::json, {}),
              R"({"text":"Hello there. General <K> & co.","usage":{"type":"duration","seconds":4}})");
}

TEST(Formats, TextEndsWithANewline) {
    EXPECT_EQ(render(sample(), ResponseFormat::text, {}), "Hello there. General <K> & co.\n");
}

TEST(Formats, SubRip) {
    EXPECT_EQ(
        render(sample(), ResponseFormat::srt, {}),
        "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n00:00:01,500 --> 01:01:01,063\nGeneral <K> & co.\n\n");
}

TEST(Formats, WebVttEscapesMarkup) {
    EXPECT_EQ(render(sample(), ResponseFormat::vtt, {}),
              "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello there.\n\n00:00:01.500 --> 01:01:01.063\nGeneral "
              "&lt;K&gt; &amp; co.\n\n");
}

TEST(Formats, ACueHoldsNoEmptyLineAndNoCueIsEmpty) {
    const Transcript transcript{.segments = {{.start = Seconds(0), .end = Seconds(1), .text = "one\n\ntwo"},
                                             {.start = Seconds(1), .end = Seconds(2), .text = "  "}}};
    EXPECT_EQ(render(transcript, ResponseFormat::srt, {}), "1\n00:00:00,000 --> 00:00:01,000\none two\n\n");
}

TEST(Formats, VerboseJsonHoldsEveryFieldOfOpenAis) {
    const auto text = render(sample(), ResponseFormat::verbose_json, {.words = true});
    glz::generic json;
    ASSERT_FALSE(glz::read_json(json, text)) << text;
    EXPECT_EQ(json["task"].get<std::string>(), "transcribe");
    EXPECT_EQ(json["language"].get<std::string>(), "english");
    EXPECT_DOUBLE_EQ(json["duration"].get<double>(), 3.2);
    auto& segments = json["segments"].get<glz::generic::array_t>();
    ASSERT_EQ(segments.size(), 2u);
    for (const auto* field : {"id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob",
                              "compression_ratio", "no_speech_prob"}) {
        EXPECT_TRUE(segments[0].contains(field)) << field;
    }
    EXPECT_DOUBLE_EQ(segments[1]["seek"].get<double>(), 150);
    EXPECT_EQ(json["words"].get<glz::generic::array_t>().size(), 2u);
    EXPECT_EQ(json["usage"]["type"].get<std::string>(), "duration");
}

TEST(Formats, VerboseJsonLeavesOutWhatWasNotAskedFor) {
    const auto text = render(sample(), ResponseFormat::verbose_json, {.segments = false});
    EXPECT_EQ(text.find("\"segments\""), std::string::npos);
    EXPECT_EQ(text.find("\"words\""), std::string::npos);
}

TEST(Formats, UncoveredSpeechIsToldToWhoAsks) {
    auto transcript = sample();
    transcript.uncovered = Seconds(1.5);
    EXPECT_THAT(render(transcript, ResponseFormat::verbose_json, {.uncovered = true}),
                HasSubstr(R"("uncovered_seconds":1.5)"));
    EXPECT_EQ(render(transcript, ResponseFormat::verbose_json, {}).find("uncovered"), std::string::npos);
}

TEST(Formats, ATranslationIsEnglishWhateverWasSpoken) {
    auto transcript = sample();
    transcript.language = "de";
    EXPECT_THAT(render(transcript, ResponseFormat::verbose_json, {.task = Task::translate}),
                HasSubstr(R"("task":"translate","language":"english")"));
    EXPECT_THAT(render(transcript, ResponseFormat::verbose_json, {}), HasSubstr(R"("language":"german")"));
}

TEST(Formats, BytesThatAreNoUtf8NeverReachTheWire) {
    EXPECT_THAT(render({.text = "a\xFF"}, ResponseFormat::json, {}), HasSubstr("a\xEF\xBF\xBD"));
    EXPECT_EQ(render({.text = "a\xC3"}, ResponseFormat::text, {}), "a\xEF\xBF\xBD\n");
}

TEST(Formats, ACueEndsAfterItBegan) {
    const Transcript transcript{.text = "a", .segments = {{.start = Seconds(1), .end = Seconds(1), .text = "a"}}};
    EXPECT_THAT(render(transcript, ResponseFormat::vtt, {}), HasSubstr("00:00:01.000 --> 00:00:01.001"));
    EXPECT_THAT(render(transcript, ResponseFormat::srt, {}), HasSubstr("00:00:01,000 --> 00:00:01,001"));
}

TEST(Formats, ControlCharactersAreEscaped) {
    EXPECT_THAT(render({.text = std::string("a\x01") + "b"}, ResponseFormat::json, {}), HasSubstr("a\\u0001b"));
}

}  // namespace
}  // namespace hotmic
