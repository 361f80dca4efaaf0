/// Frames and messages: whole, bounded, and harmless whatever they hold.
#include "worker/channel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <random>
#include <thread>

#include "worker_fixture.hpp"

namespace hotmic::worker {
namespace {

std::pair<system::Descriptor, system::Descriptor> pair_of(int type) {
    std::array<int, 2> pair{};
    EXPECT_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair.data()), 0);
    return {system::Descriptor(pair[0]), system::Descriptor(pair[1])};
}

TEST(ChannelTest, AFrameLargerThanTheSocketsBufferArrivesWhole) {
    const auto [here, there] = pair_of(SOCK_STREAM);
    std::vector<float> samples(60 * kSampleRate);
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<float>(i);
    const std::jthread writer(
        [&] { EXPECT_TRUE(write_frame(here.get(), Kind::audio, std::as_bytes(std::span(samples)))); });
    const auto frame = read_frame(there.get());
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->kind, Kind::audio);
    ASSERT_EQ(frame->body.size(), samples.size() * sizeof(float));
    EXPECT_EQ(std::memcmp(frame->body.data(), samples.data(), frame->body.size()), 0);
}

TEST(ChannelTest, AFrameIsRefusedByItsHeaderAlone) {
    const auto [here, there] = pair_of(SOCK_STREAM);
    ASSERT_TRUE(write_frame(here.get(), Kind::transcript, bytes_of("12345")));
    EXPECT_FALSE(read_frame(there.get(), 4));
}

TEST(ChannelTest, AClosedChannelIsNoSignal) {
    auto [here, there] = pair_of(SOCK_STREAM);
    there = system::Descriptor();
    EXPECT_FALSE(write_frame(here.get(), Kind::slot_ready, {}));  // SIGPIPE would end this program
    EXPECT_FALSE(read_frame(here.get()));
}

TEST(ChannelTest, ADescriptorTravelsAndOnesTooManyAreClosed) {
    const auto files = open_files();
    {
        const auto [here, there] = pair_of(SOCK_SEQPACKET);
        const auto [one, two] = pair_of(SOCK_STREAM);
        ASSERT_TRUE(send_control(here.get(), Kind::open_slot, bytes_of(encode(OpenSlot{3})), one.get()));
        const auto frame = receive_control(there.get());
        ASSERT_TRUE(frame);
        EXPECT_EQ(decode<OpenSlot>(*frame)->slot, 3);
        ASSERT_TRUE(frame->passed);
        ASSERT_TRUE(write_frame(frame->passed.get(), Kind::slot_ready, {}));
        EXPECT_EQ(read_frame(two.get())->kind, Kind::slot_ready);

        FrameHeader header{Kind::open_slot, 0};
        iovec part{&header, sizeof header};
        std::array<int, 2> both{one.get(), two.get()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof both)> rights{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = rights.data();
        message.msg_controllen = rights.size();
        auto* control = CMSG_FIRSTHDR(&message);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(sizeof both);
        std::memcpy(CMSG_DATA(control), both.data(), sizeof both);
        ASSERT_GT(sendmsg(here.get(), &message, 0), 0);
        EXPECT_TRUE(receive_control(there.get()));
    }
    EXPECT_EQ(open_files(), files) << "a descriptor stayed open";
}

TEST(ChannelTest, AControlMessageThatIsTooLargeIsNotSent) {
    const auto [here, there] = pair_of(SOCK_SEQPACKET);
    EXPECT_FALSE(send_control(here.get(), Kind::load, bytes_of(std::string(kMaxControl + 1, 'x'))));
}

Segment segment() {
    return {.start = Seconds(1),
            .end = Seconds(2),
            .text = " hello",
            .tokens = {1, 2, 3},
            .words = {{"hello", Seconds(1), Seconds(2), 0.5}, {"there", Seconds(2), Seconds(3), 0.25}}};
}

TEST(MessageTest, ATranscriptComesOutAsItWentIn) {
    const Transcript before{
        .text = "hello", .language = "en", .duration = Seconds(3), .segments = {segment(), segment()}};
    const auto after = decode<Transcript>(Frame{.kind = Kind::transcript, .body = encode(before)});
    ASSERT_TRUE(after);
    EXPECT_EQ(after->text, before.text);
    ASSERT_EQ(after->segments.size(), 2U);
    EXPECT_EQ(after->segments[1].tokens, before.segments[1].tokens);
    EXPECT_EQ(after->segments[1].words[1].text, "there");
    EXPECT_DOUBLE_EQ(after->segments[1].words[1].probability, 0.25);
}

/// Every body with a few bytes changed, cut or grown either decodes to sound values or to nothing; it never does worse.
template <class T>
void damage(const T& message) {
    std::mt19937 random(11);
    const auto whole = encode(message);
    ASSERT_TRUE(decode<T>(Frame{.body = whole}));
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(decode<T>(Frame{.body = whole.substr(0, size)})) << size;
    int refused = 0;
    for (int round = 0; round < 4000; ++round) {
        auto body = whole;
        for (auto flips = 1 + random() % 4; flips > 0; --flips)
            body[random() % body.size()] = static_cast<char>(random());
        if (random() % 4 == 0) body.insert(random() % body.size(), 1 + random() % 9, static_cast<char>(random()));
        const auto decoded = decode<T>(Frame{.body = body});
        if (decoded)
            EXPECT_TRUE(is_sound(*decoded));
        else
            ++refused;
    }
    EXPECT_GT(refused, 0);
}

TEST(MessageTest, DamagedMessagesAreRefusedOrSound) {
    damage(Transcript{.text = "hello", .language = "en", .duration = Seconds(3), .segments = {segment(), segment()}});
    damage(segment());
    damage(Error{.code = ErrorCode::model_corrupt, .message = "words", .remedy = "more words"});
    damage(ModelInfo{.provider = "fake",
                     .slots = 2,
                     .warmup_cases = {{"beam", {.beam_size = 5}, false}},
                     .warmup_lengths = {Seconds(1), Seconds(3)}});
    damage(Load{.provider = "fake", .path = "fake:"});
    damage(Progress{Bytes(1), Bytes(2)});
}

}  // namespace
}  // namespace hotmic::worker
