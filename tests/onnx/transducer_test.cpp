/// Transducers: what is carried from chunk to chunk, and how an utterance goes on.
#include <limits>
#include <thread>

#include "onnx/transducer_fixture.hpp"

namespace hotmic::onnx {
namespace {

using ::testing::HasSubstr;
using testing::sound;
using testing::write_transducer_folder;

TEST_F(Transducer, EveryChunkIsHeardOnceAndInOrder) {
    const auto model = load();
    const auto recognizer = model->make_recognizer().value();
    EXPECT_EQ(heard(*recognizer, sound(1)).text, "A");
    EXPECT_EQ(heard(*recognizer, sound(4)).text, "A B C D") << "what came before is no part of it";
    EXPECT_EQ(heard(*recognizer, sound(12)).text, "A B C D E F G H I J A B");
    EXPECT_EQ(heard(*recognizer, sound(3), {.beam_size = 4}).text, "A B C");
    EXPECT_EQ(heard(*recognizer, std::vector<float>(16000)).text, "");
    EXPECT_EQ(heard(*recognizer, {}).text, "");
    EXPECT_EQ(heard(*recognizer, sound(1)).language, "en") << "the folder's name says so";
}

TEST_F(Transducer, TheFirstKindIsHeardWithToo) {
    const auto model = load({.model_type = "zipformer"});
    EXPECT_EQ(heard(*model->make_recognizer().value(), sound(4)).text, "A B C D");
    EXPECT_EQ(provider_->inspect(spec_of(folder_))->kind, "streaming transducer zipformer");
}

TEST_F(Transducer, WordsHaveTheirTimesAndSegmentsEndAtPauses) {
    const auto model = load();
    auto audio = sound(3, 3);
    audio.append_range(sound(2));
    const auto transcript = heard(*model->make_recognizer().value(), audio, {.word_timestamps = true});
    EXPECT_EQ(transcript.text, "A B C F G H") << "it counts in silence, too, and looks ahead by 0.13 s";
    ASSERT_EQ(transcript.segments.size(), 2u);
    EXPECT_EQ(transcript.segments[0].text, "A B C");
    const auto& later = transcript.segments[1].words;
    ASSERT_EQ(later.size(), 3u);
    EXPECT_NEAR(later[0].end.count(), 5 * 0.32, 0.1);
    EXPECT_NEAR(later[1].end.count() - later[0].end.count(), 0.32, 1e-6);
    EXPECT_GT(later[0].probability, 0.9);
    for (const auto& segment : transcript.segments) {
        for (const auto& word : segment.words) {
            EXPECT_LE(segment.start, word.start);
            EXPECT_LE(word.start, word.end);
            EXPECT_LE(word.end, transcript.duration);
        }
    }
}

TEST_F(Transducer, WhatIsCertainIsToldWhileTheRestIsHeard) {
    const auto model = load();
    const auto recognizer = model->make_recognizer().value();
    std::vector<float> audio;
    for (int i = 0; i < 8; ++i) audio.append_range(sound(3, 9));
    for (const int beam : {0, 4}) {
        std::vector<std::string> told;
        std::stop_source stop;
        const auto whole = recognizer->transcribe(audio, {.beam_size = beam},
                                                  [&](const Segment& segment) { told.push_back(segment.text); }, {});
        std::vector<std::string> segments;
        for (const auto& segment : whole->segments) segments.push_back(segment.text);
        EXPECT_EQ(told, segments);
        EXPECT_EQ(segments.size(), 8u);
        const auto cut = recognizer->transcribe(
            audio, {.beam_size = beam}, [&](const Segment&) { stop.request_stop(); }, stop.get_token());
        ASSERT_FALSE(cut) << "it was told before the end";
        EXPECT_EQ(cut.error().code, ErrorCode::cancelled);
    }
}

TEST_F(Transducer, AStreamIsFedEachSampleOnceOnAnySlot) {
    const auto model = load();
    const auto one = model->make_recognizer().value();
    const auto other = model->make_recognizer().value();
    const auto audio = sound(12);
    const auto feed = [&](Recognizer& slot, std::size_t from, std::size_t to, TranscribeOptions options = {}) {
        options.step = {.stream = 1, .from = Samples(from), .last = to == audio.size()};
        return slot.transcribe(AudioView(audio).subspan(from, to - from), options, {}, {});
    };
    const auto first = feed(*one, 0, 30'000).value();
    EXPECT_EQ(first.text, "A B C D E") << "what is no whole chunk yet is waited for";
    EXPECT_EQ(first.settled_words, 5u);
    EXPECT_EQ(first.duration, seconds_of(30'000));
    EXPECT_EQ(feed(*other, 30'000, samples_in(first.next_step_at) - 1)->text, first.text);
    EXPECT_EQ(feed(*other, samples_in(first.next_step_at) - 1, samples_in(first.next_step_at))->text, "A B C D E F");
    EXPECT_EQ(feed(*one, samples_in(first.next_step_at), 45'000)->text, "A B C D E F G H");
    const auto final = feed(*other, 45'000, audio.size()).value();
    EXPECT_EQ(final.text, "A B C D E F G H I J A B") << "and the silence behind it is heard";
    EXPECT_EQ(final.settled_words, 12u);
    EXPECT_EQ(feed(*one, 45'000, 46'000).error().code, ErrorCode::stream_lost) << "it is over";

    ASSERT_TRUE(feed(*one, 0, 30'000));
    EXPECT_EQ(feed(*one, 31'000, 45'000).error().code, ErrorCode::stream_lost) << "something is missing";
    EXPECT_EQ(feed(*one, 30'000, 45'000).error().code, ErrorCode::stream_lost) << "and then it is no stream";
    EXPECT_EQ(feed(*one, 0, 30'000)->text, "A B C D E") << "begun anew";
    EXPECT_EQ(feed(*one, 0, 30'000)->text, "A B C D E") << "reset";
    EXPECT_EQ(feed(*one, 30'000, 45'000, {.beam_size = 4}).error().code, ErrorCode::stream_lost) << "another search";
}

TEST_F(Transducer, HowLongNothingWasHeardIsTold) {
    const auto model = load();
    const auto recognizer = model->make_recognizer().value();
    const auto blank = [&](const std::vector<float>& audio) {
        return recognizer->transcribe(audio, {.step = {.stream = 1}}, {}, {}).value().trailing_blank.count();
    };
    EXPECT_LT(blank(sound(4)), 0.33);
    EXPECT_NEAR(blank(sound(4, 6)), 6 * 0.32, 0.33);
    EXPECT_NEAR(blank(std::vector<float>(48'000)), 8 * 0.32, 0.01) << "there was no word at all";
}

TEST_F(Transducer, StreamsThatNobodyFeedsAreForgottenOnlyWhenThereAreMany) {
    const auto model = load();
    const auto recognizer = model->make_recognizer().value();
    const auto audio = sound(2);
    const auto begin = [&](std::uint64_t stream) {
        return recognizer->transcribe(audio, {.step = {.stream = stream}}, {}, {}).has_value();
    };
    const auto goes_on = [&](std::uint64_t stream) {
        return recognizer->transcribe({}, {.step = {.stream = stream, .from = Samples(audio.size())}}, {}, {})
            .has_value();
    };
    for (std::uint64_t stream = 1; stream <= 128; ++stream) ASSERT_TRUE(begin(stream));
    EXPECT_TRUE(goes_on(1));
    EXPECT_TRUE(begin(129));
    EXPECT_TRUE(goes_on(1)) << "it was fed lately";
    EXPECT_FALSE(goes_on(2)) << "it was not";
}

TEST_F(Transducer, NeighboursChangeNothing) {
    const auto model = load();
    std::vector<std::string> texts(2);
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        threads.emplace_back([&, i] {
            const auto recognizer = model->make_recognizer().value();
            for (int round = 0; round < 20; ++round)
                texts[i] = heard(*recognizer, sound(3 + 4 * static_cast<int>(i))).text;
        });
    }
    threads.clear();
    EXPECT_EQ(texts[0], "A B C");
    EXPECT_EQ(texts[1], "A B C D E F G");
}

TEST_F(Transducer, StreamsShareRunsAndHearWhatTheyWouldAlone) {
    write_transducer_folder(folder_, {.rows = true});
    auto spec = spec_of(folder_);
    spec.slots = 8;
    const auto model = provider_->load(spec, progress_, {}).value();
    std::vector<std::vector<Transcript>> heard_by(8);
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < heard_by.size(); ++i) {
        threads.emplace_back([&, i] {
            const auto recognizer = model->make_recognizer().value();
            for (int round = 0; round < 20; ++round)
                heard_by[i].push_back(heard(*recognizer, sound(3 + static_cast<int>(i)), {.word_timestamps = true}));
        });
    }
    threads.clear();
    const auto recognizer = model->make_recognizer().value();
    for (std::size_t i = 0; i < heard_by.size(); ++i) {
        const auto alone = heard(*recognizer, sound(3 + static_cast<int>(i)), {.word_timestamps = true});
        EXPECT_EQ(alone.text.size(), 2 * (3 + i) - 1);
        for (const auto& beside : heard_by[i]) {
            EXPECT_EQ(beside.text, alone.text);
            EXPECT_EQ(beside.segments.front().avg_logprob, alone.segments.front().avg_logprob) << "to the last bit";
        }
    }
    EXPECT_EQ(provider_->inspect(spec)->details.at("streams_share_runs"), "yes");
}

TEST_F(Transducer, AStreamWhoseNumbersAreNoneEndsAloneAmongThoseThatShareItsRun) {
    write_transducer_folder(folder_, {.rows = true, .nan_when_loud = true});
    auto spec = spec_of(folder_);
    spec.slots = 4;
    const auto model = provider_->load(spec, progress_, {}).value();
    auto loud = sound(5);
    unsigned random = 1;
    for (auto& sample : loud) {  // noise that is as loud as may be, at all frequencies
        random = random * 1'664'525U + 1'013'904'223U;
        sample = (random >> 31U) != 0 ? 1.0F : -1.0F;
    }
    std::vector<std::vector<Result<Transcript>>> results(4);
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < results.size(); ++i) {
        threads.emplace_back([&, i] {
            const auto recognizer = model->make_recognizer().value();
            for (int round = 0; round < 20; ++round)
                results[i].push_back(recognizer->transcribe(i == 0 ? loud : sound(5), {}, {}, {}));
        });
    }
    threads.clear();
    for (const auto& result : results[0]) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::inference_failed);
        EXPECT_THAT(result.error().message, HasSubstr("not finite"));
    }
    for (std::size_t i = 1; i < results.size(); ++i)
        for (const auto& result : results[i]) EXPECT_EQ(result.value().text, "A B C D E");
}

TEST_F(Transducer, NumbersThatAreNoneEndTheRequestAlone) {
    const auto model = load({.nan_states = true});
    const auto recognizer = model->make_recognizer().value();
    const auto transcript = recognizer->transcribe(sound(2), {}, {}, {});
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::inference_failed);
    EXPECT_THAT(transcript.error().message, HasSubstr("not finite"));
}

TEST_F(Transducer, WhatItCannotDoIsSaidBeforeItHears) {
    const auto model = load();
    const auto recognizer = model->make_recognizer().value();
    const auto code_of = [&](const TranscribeOptions& options, AudioView audio) {
        return recognizer->transcribe(audio, options, {}, {}).error().code;
    };
    const auto audio = sound(1);
    EXPECT_EQ(code_of({.language = "de"}, audio), ErrorCode::unsupported_language);
    EXPECT_EQ(code_of({.languages = {"en", "de"}}, audio), ErrorCode::unsupported_language);
    EXPECT_EQ(code_of({.task = Task::translate}, audio), ErrorCode::unsupported_parameter);
    EXPECT_EQ(code_of({.beam_size = 5}, audio), ErrorCode::unsupported_parameter);
    EXPECT_EQ(code_of({}, std::vector{0.F, std::numeric_limits<float>::infinity()}), ErrorCode::audio_invalid_samples);
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(recognizer->transcribe(audio, {}, {}, stop.get_token()).error().code, ErrorCode::cancelled);
    EXPECT_EQ(heard(*recognizer, audio, {.language = "english"}).text, "A");
}

}  // namespace
}  // namespace hotmic::onnx
