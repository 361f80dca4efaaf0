/// Workers that break the protocol: each is ended and told as a lost model, whatever it sends.
#include <csignal>
#include <future>

#include "worker_fixture.hpp"

namespace hotmic::worker {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class LiarTest : public WorkerTest, public ::testing::WithParamInterface<const char*> {
protected:
    LiarTest() {  // it does not answer pings either, but that is another test
        provider_ = isolate(testing::make_fake_provider(), {.executable = HOTMIC_BINARY_DIR "/bin/hotmic_test_liar",
                                                            .heartbeat_timeout = std::chrono::milliseconds(0)});
    }
};

std::string name_of(const ::testing::TestParamInfo<const char*>& info) {
    return info.param;
}

using LyingLoad = LiarTest;

TEST_P(LyingLoad, EndsTheWorkerAndIsAnError) {
    const auto model = load(GetParam());
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::worker_crashed);
    EXPECT_THAT(model.error().message,
                AnyOf(HasSubstr("sent a message that makes no sense"), HasSubstr("sent what is no message"),
                      HasSubstr("closed its control channel")));
    EXPECT_THAT(model.error().message, HasSubstr("while loading and was ended"));
    EXPECT_THAT(children(), ::testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Lies, LyingLoad,
                         ::testing::Values("short_packet", "wrong_size", "unknown_kind", "slot_kind_on_control",
                                           "noise_for_info", "noise_for_progress", "noise_for_error", "no_such_error",
                                           "two_billion_slots", "no_slots", "hangs_up"),
                         name_of);

using LyingSlot = LiarTest;

TEST_P(LyingSlot, IsALostModelToldOnce) {
    auto model = load(GetParam());
    ASSERT_TRUE(model);
    std::promise<Error> told;
    (*model)->on_lost([&](const Error& error) { told.set_value(error); });  // a second call would throw
    const auto error = [&]() -> Error {
        const auto recognizer = (*model)->make_recognizer();
        if (!recognizer) return recognizer.error();
        const auto transcript = (*recognizer)->transcribe(speech(), {}, [](const Segment&) {}, {});
        return transcript ? Error{} : transcript.error();
    }();
    EXPECT_EQ(error.code, ErrorCode::model_lost) << error.message;
    EXPECT_THAT(error.message, HasSubstr("and was ended"));
    EXPECT_EQ(told.get_future().get().code, ErrorCode::model_lost);
    EXPECT_EQ((*model)->resident(), Bytes());
}

INSTANTIATE_TEST_SUITE_P(Lies, LyingSlot,
                         ::testing::Values("slot_noise", "slot_wrong_kind", "slot_hangs_up", "endless_answer",
                                           "half_an_answer", "noise_for_transcript", "noise_for_segment",
                                           "no_such_error_code", "hangs_up_and_stays", "says_loaded_again"),
                         name_of);

}  // namespace
}  // namespace hotmic::worker
