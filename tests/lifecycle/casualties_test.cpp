/// Which requests are blamed for the death of an engine.
#include <gmock/gmock.h>

#include <future>

#include "lifecycle/slot_pool.hpp"

namespace hotmic {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// An engine that is dead, whatever it is asked.
class Dead final : public Model {
public:
    [[nodiscard]] const ModelInfo& info() const noexcept override { return info_; }
    [[nodiscard]] Result<std::unique_ptr<Recognizer>> make_recognizer() override {
        class Silent final : public Recognizer {
            Result<Transcript> transcribe(AudioView, const TranscribeOptions&, const SegmentSink&,
                                          std::stop_token) override {
                return fail(ErrorCode::model_lost, "it died");
            }
        };
        return std::make_unique<Silent>();
    }

private:
    ModelInfo info_{.provider = "dead", .provider_version = "1", .name = "dead", .backend = "CPU", .slots = 2};
};

/// Audio whose first samples come when they are let go.
class Held final : public AudioSource {
public:
    Held(std::promise<void> asked, std::future<void> let_go) : asked_(std::move(asked)), let_go_(std::move(let_go)) {}
    [[nodiscard]] Result<std::size_t> read(std::span<float> out) override {
        if (!let_go_.valid()) return 0;
        asked_.set_value();
        let_go_.get();
        std::ranges::fill(out, 0.1F);
        return out.size();
    }

private:
    std::promise<void> asked_;
    std::future<void> let_go_;
};

struct CasualtiesTest : ::testing::Test {
    struct Answer {
        bool lost = false;
        bool died_under_it = false;
    };
    std::future<Answer> submit(std::uint64_t fingerprint, std::unique_ptr<AudioSource> audio) {
        auto told = std::make_shared<std::promise<Answer>>();
        Request request{.audio = std::move(audio), .fingerprint = fingerprint};
        request.options.language = "en";
        pool->submit(std::move(request), [told](const Result<Transcript>& result, const RequestTimings& timings) {
            told->set_value({!result && result.error().code == ErrorCode::model_lost, timings.died_under_it});
        });
        return told->get_future();
    }
    static std::unique_ptr<AudioSource> speech() { return source_from_samples(std::vector<float>(16'000, 0.1F)); }

    Dead model;
    std::unique_ptr<SlotPool> pool = *SlotPool::open(model, {});
};

TEST_F(CasualtiesTest, WhatHadASlotAndHadNotReachedTheEngineIsNotBlamed) {
    std::promise<void> asked;
    std::promise<void> let_go;
    auto begun = asked.get_future();
    auto beside = submit(2, std::make_unique<Held>(std::move(asked), let_go.get_future()));
    begun.get();
    EXPECT_TRUE(submit(1, speech()).get().died_under_it);
    EXPECT_THAT(pool->casualties(), ElementsAre(1));
    let_go.set_value();
    const auto answer = beside.get();
    EXPECT_TRUE(answer.lost);
    EXPECT_FALSE(answer.died_under_it) << "else its next try would be taken for its second";
    EXPECT_THAT(pool->casualties(), ElementsAre(1));
}

TEST_F(CasualtiesTest, WhatComesWhenADeathIsKnownIsNotBlamed) {
    EXPECT_THAT(pool->casualties(), IsEmpty()) << "it died over nothing";
    const auto answer = submit(1, speech()).get();
    EXPECT_TRUE(answer.lost);
    EXPECT_FALSE(answer.died_under_it);
    EXPECT_THAT(pool->casualties(), IsEmpty());
}

}  // namespace
}  // namespace hotmic
