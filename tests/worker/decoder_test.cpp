/// Real decoders, in processes of their own: what they give, what they cannot do, and how they may end.
#include "worker/decoders.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>

#include "audio/clip.hpp"
#include "system/sanitized.hpp"
#include "worker_fixture.hpp"

namespace hotmic::worker {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::shared_ptr<const MediaBytes> bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return media_in_memory(std::vector<std::byte>(bytes.begin(), bytes.end()));
}

std::shared_ptr<const MediaBytes> clip() {
    return media_in_memory(audio::builtin_clip().encoded);
}

/// Ten minutes of a tone: more than fits into a channel.
std::shared_ptr<const MediaBytes> long_tone() {
    std::vector<float> samples(600 * kSampleRate);
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = std::sin(static_cast<float>(i) * 0.05F) / 2;
    return media_in_memory(audio::encode_wav(samples));
}

Result<std::vector<float>> all_of(Result<std::unique_ptr<AudioSource>> source) {
    if (!source) return std::unexpected(source.error());
    return read_all(**source);
}

/// Processes whose parent is `parent`, and their parents' number in turn.
std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> found;
    std::error_code error;
    for (const auto& task : fs::directory_iterator(std::format("/proc/{}/task", parent), error)) {
        std::ifstream list(task.path() / "children");
        for (pid_t child = 0; list >> child;) found.push_back(child);
    }
    return found;
}

std::string status_of(pid_t process) {
    std::ifstream file(std::format("/proc/{}/status", process));
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Until it is so; a test that waits here for ever is ended by its limit.
void until(const std::function<bool()>& so) {
    while (!so()) std::this_thread::sleep_for(1ms);
}

class DecoderTest : public WorkerTest {
protected:
    void SetUp() override { ASSERT_TRUE(decoders().ready()); }
    void TearDown() override {
        decoders_.reset();
        WorkerTest::TearDown();
    }

    Decoders& decoders() {
        if (!decoders_) make({});
        return *decoders_;
    }
    void make(DecoderOptions options) {
        options.executable = kTestWorker;
        decoders_.emplace(std::move(options));
    }
    /// The process that decoders are forked from, the only child that this test has.
    static pid_t origin() { return children().at(0); }

    /// What an act comes to, tried from inside a decoder.
    Error tried(const std::string& act) {
        const auto source =
            decoders().open(bytes_of("try " + act), {.max_length = Seconds(1), .cpu_time = Seconds(0.1)}, {});
        return source ? Error{ErrorCode::internal, "it was opened"} : source.error();
    }

    std::optional<Decoders> decoders_;
};

TEST_F(DecoderTest, GivesWhatDecodingHereGives) {
    const auto expected = all_of(open_media(clip()));
    ASSERT_TRUE(expected);
    auto source = decoders().open(clip(), {}, {});
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_EQ((*source)->duration_hint(), (*open_media(clip()))->duration_hint());
    ASSERT_TRUE((*source)->track());
    EXPECT_EQ((*source)->track()->channels, 1);
    EXPECT_EQ(read_all(**source).value(), *expected);
    EXPECT_EQ((*source)->damage(), "");
    EXPECT_EQ(decoders().figures().running, 0U);
}

TEST_F(DecoderTest, ReadsAFileThatIsOpen) {
    class File final : public MediaBytes {
    public:
        explicit File(const fs::path& path)
            : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), size_(fs::file_size(path)) {}
        ~File() override { ::close(fd_); }
        [[nodiscard]] std::uint64_t size() const noexcept override { return size_; }
        [[nodiscard]] std::int64_t read(std::uint64_t, std::span<std::byte>) const override { return -1; }
        [[nodiscard]] int descriptor() const noexcept override { return fd_; }

    private:
        const int fd_;
        const std::uint64_t size_;
    };
    const auto path = fs::temp_directory_path() / std::format("hotmic-media-{}", ::getpid());
    const auto& encoded = *audio::builtin_clip().encoded;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(encoded.data()), static_cast<std::streamsize>(encoded.size()));
    EXPECT_EQ(all_of(decoders().open(std::make_shared<File>(path), {}, {})).value(),
              all_of(open_media(clip())).value());
    fs::remove(path);
}

TEST_F(DecoderTest, TellsWhatIsWrongWithAFileAsDecodingHereDoes) {
    for (const std::string text : {"this is no audio at all", "RIFF\x24\0\0\0WAVEfmt "}) {
        const auto here = open_media(bytes_of(text));
        const auto there = decoders().open(bytes_of(text), {}, {});
        ASSERT_FALSE(here);
        ASSERT_FALSE(there);
        EXPECT_EQ(here.error(), there.error());
    }
    EXPECT_EQ(decoders().open(bytes_of(""), {}, {}).error().code, ErrorCode::audio_empty);
    EXPECT_EQ(decoders().open(long_tone(), {.max_length = Seconds(10)}, {}).error().code, ErrorCode::audio_too_long);
    EXPECT_EQ(decoders().open(clip(), {}, {.channel = 3}).error().code, ErrorCode::invalid_request);
}

TEST_F(DecoderTest, TellsWhatWasLost) {
    auto damaged = *audio::builtin_clip().encoded;
    damaged.resize(damaged.size() / 2);
    const auto here = open_media(media_in_memory(damaged));
    auto there = decoders().open(media_in_memory(damaged), {}, {});
    ASSERT_TRUE(here && there);
    EXPECT_EQ(read_all(**here).value(), read_all(**there).value());
    EXPECT_NE((*there)->damage(), "");
    EXPECT_EQ((*there)->damage(), (*here)->damage());
}

TEST_F(DecoderTest, ThatIsNotWantedAnyMoreEnds) {
    auto source = decoders().open(long_tone(), {}, {});
    ASSERT_TRUE(source);
    EXPECT_EQ(decoders().figures().running, 1U);
    EXPECT_THAT(children_of(origin()), SizeIs(1));
    source->reset();
    EXPECT_EQ(decoders().figures().running, 0U);
    until([] { return children_of(origin()).empty(); });
}

TEST_F(DecoderTest, IsCancelledWhileItIsWaitedFor) {
    std::stop_source stop;
    std::jthread canceller([&] {
        until([] { return !children().empty() && !children_of(origin()).empty(); });
        stop.request_stop();
    });
    const auto source = decoders().open(bytes_of("try sleep"), {.stop = stop.get_token()}, {});
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().code, ErrorCode::cancelled);
}

TEST_F(DecoderTest, ThatIsKilledIsReplacedAndNobodyNotices) {
    const auto expected = all_of(open_media(long_tone())).value();
    auto source = decoders().open(long_tone(), {}, {});
    ASSERT_TRUE(source);
    std::vector<float> heard(100'000);
    ASSERT_EQ((*source)->read(heard).value(), heard.size());
    ASSERT_EQ(::kill(children_of(origin()).at(0), SIGKILL), 0);
    const auto rest = read_all(**source);
    ASSERT_TRUE(rest) << rest.error().message;
    heard.append_range(*rest);
    EXPECT_EQ(heard, expected);
    EXPECT_EQ(decoders().figures().again, 1U);
}

TEST_F(DecoderTest, ThatIsKilledTwiceIsAnError) {
    auto source = decoders().open(long_tone(), {}, {});
    ASSERT_TRUE(source);
    std::vector<float> samples(50 * kSampleRate);
    for (int deaths = 0; deaths < 2; ++deaths) {
        until([] { return !children_of(origin()).empty(); });
        ASSERT_EQ(::kill(children_of(origin()).at(0), SIGKILL), 0);
        if (deaths == 0) {
            ASSERT_TRUE((*source)->read(samples));
        }
    }
    const auto rest = read_all(**source);
    ASSERT_FALSE(rest);
    EXPECT_EQ(rest.error().code, ErrorCode::decoder_crashed);
    EXPECT_THAT(rest.error().message, HasSubstr("SIGKILL"));
    EXPECT_EQ(decoders().figures().running, 0U);
}

TEST_F(DecoderTest, OutlivesTheProcessItWasForkedFromAndThatIsReplaced) {
    const auto expected = all_of(open_media(long_tone())).value();
    auto source = decoders().open(long_tone(), {}, {});
    ASSERT_TRUE(source);
    const auto first = origin();
    ASSERT_EQ(::kill(first, SIGKILL), 0);
    until([] { return children().empty(); });
    EXPECT_EQ(all_of(decoders().open(clip(), {}, {})).value(), all_of(open_media(clip())).value());
    EXPECT_NE(origin(), first);
    EXPECT_EQ(read_all(**source).value(), expected);
}

TEST_F(DecoderTest, OfAProgramThatIsNotThereIsUnavailable) {
    Decoders none({.executable = "/nonexistent/hotmic"});
    EXPECT_EQ(none.open(clip(), {}, {}).error().code, ErrorCode::decoder_unavailable);
    Decoders other({.executable = "/bin/true"});
    EXPECT_EQ(other.open(clip(), {}, {}).error().code, ErrorCode::decoder_unavailable);
}

TEST_F(DecoderTest, ThatCrashesIsAnErrorOfItsFileAndOfNoOther) {
    auto other = decoders().open(long_tone(), {}, {});
    const auto error = tried("crash");
    EXPECT_EQ(error.code, ErrorCode::decoder_crashed);
    EXPECT_THAT(error.message, HasSubstr("the process that decoded it"));
    ASSERT_TRUE(other);
    EXPECT_TRUE(read_all(**other));
    EXPECT_GE(decoders().figures().crashed, 1U);
}

TEST_F(DecoderTest, ThatIsSilentIsEnded) {
    make({.timeout = 200ms});
    const auto error = tried("sleep");
    EXPECT_EQ(error.code, ErrorCode::decoder_crashed);
    EXPECT_THAT(error.message, HasSubstr("sent nothing for 200 ms"));
    EXPECT_EQ(decoders().figures().hung, 1U);
}

TEST_F(DecoderTest, BurnsNoMoreProcessorTimeThanThereIs) {
    const auto error = tried("cpu");
    EXPECT_EQ(error.code, ErrorCode::audio_too_costly);
    EXPECT_EQ(decoders().figures().limited, 1U);
}

TEST_F(DecoderTest, TakesNoMoreMemoryThanThereIs) {
    if (system::kSanitized) GTEST_SKIP() << "shadows of sanitizers take all the address space there is";
    make({.memory = mebibytes(64)});
    EXPECT_THAT(tried("memory:32").message, HasSubstr("done"));
    EXPECT_THAT(tried("memory:80").message, HasSubstr("Cannot allocate memory"));
}

class ConfinedDecoder : public DecoderTest {
protected:
    void SetUp() override {
        if (const auto lacks = system::SandboxSupport::of_kernel().lacks(); !lacks.empty()) GTEST_SKIP() << lacks;
        DecoderTest::SetUp();
    }
};

TEST_F(ConfinedDecoder, HasNoFilesNoThreadsAndNoOthers) {
    for (const auto* act : {"read:/etc/passwd", "read:/proc/self/maps", "write:/tmp/hotmic-decoder", "list:/",
                            "chmod:/tmp", "thread", "signal"})
        EXPECT_THAT(tried(act).message, HasSubstr("not permitted")) << act;
}

TEST_F(ConfinedDecoder, EndsForWhatNoDecoderDoes) {
    for (const auto* act : {"socket", "local", "exec", "ptrace"}) {
        const auto error = tried(act);
        if (system::kSanitized) {
            EXPECT_THAT(error.message, HasSubstr("not permitted")) << act;
            continue;
        }
        EXPECT_EQ(error.code, ErrorCode::decoder_crashed) << act;
        EXPECT_THAT(error.message, HasSubstr("SIGSYS")) << act;
    }
}

TEST_F(ConfinedDecoder, HasNoEnvironmentNoPrivilegesAndTwoDescriptors) {
    EXPECT_EQ(tried("environment").message, "environment: 0");
    auto source = decoders().open(long_tone(), {}, {});
    ASSERT_TRUE(source);
    const auto decoder = children_of(origin()).at(0);
    const auto status = status_of(decoder);
    EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
    EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
    EXPECT_THAT(status, HasSubstr("CapEff:\t0000000000000000"));
    std::vector<std::string> open;
    for (const auto& entry : fs::directory_iterator(std::format("/proc/{}/fd", decoder)))
        if (std::stoi(entry.path().filename()) > 2) open.push_back(fs::read_symlink(entry).string());
    EXPECT_THAT(open, ::testing::UnorderedElementsAre(HasSubstr("socket:"), HasSubstr("hotmic media")));
}

}  // namespace
}  // namespace hotmic::worker
