/// What a real worker may do once it loads a model, tried from inside it.
#include "worker/confinement.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>

#include "worker_fixture.hpp"

namespace hotmic::worker {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class ConfinedWorker : public WorkerTest {
protected:
    void SetUp() override {
        if (const auto lacks = system::SandboxSupport::of_kernel().lacks(); !lacks.empty()) GTEST_SKIP() << lacks;
    }
    std::string tried(const std::string& acts) {
        const auto model = load("fake:try=" + acts);
        return model ? "loaded" : model.error().message;
    }
};

TEST_F(ConfinedWorker, ReadsNoFileOfTheServers) {
    EXPECT_THAT(tried("read:/etc/passwd"), HasSubstr("Permission denied"));
    EXPECT_THAT(tried("list:/root"), HasSubstr("denied"));
    EXPECT_THAT(tried(std::format("read:/proc/{}/environ", ::getpid())), HasSubstr("denied"));
}

TEST_F(ConfinedWorker, WritesNothing) {
    EXPECT_THAT(tried("write:/tmp/hotmic-worker"), HasSubstr("Permission denied"));
    EXPECT_THAT(tried("write:/usr/hotmic-worker"), HasSubstr("Permission denied"));
    EXPECT_FALSE(fs::exists("/tmp/hotmic-worker"));
}

TEST_F(ConfinedWorker, HasNoNetworkNoProgramsAndNoOthers) {
    for (const auto* act : {"socket", "local", "exec", "fork", "ptrace", "signal"})
        EXPECT_THAT(tried(act), HasSubstr("not permitted")) << act;
    EXPECT_THAT(tried("thread"), HasSubstr("done"));
}

TEST_F(ConfinedWorker, IsGivenNoVariableButThoseOfEngines) {
    ::setenv("HOTMIC_SERVER_ADMIN_KEY", "sesame", 1);
    ::setenv("GGML_VK_VISIBLE_DEVICES", "0", 1);
    ::setenv("MY_DRIVER_MODE", "fast", 1);
    const auto plain = engine_environment({});
    EXPECT_THAT(plain, Contains("GGML_VK_VISIBLE_DEVICES=0"));
    EXPECT_THAT(plain, Contains("OMP_WAIT_POLICY=passive"));
    EXPECT_THAT(plain, Not(Contains(HasSubstr("sesame"))));
    EXPECT_THAT(plain, Not(Contains(HasSubstr("MY_DRIVER"))));
    EXPECT_THAT(engine_environment({"MY_DRIVER_*"}), Contains("MY_DRIVER_MODE=fast"));
    EXPECT_THAT(engine_environment({"MY_DRIVER_MODE"}), Contains("MY_DRIVER_MODE=fast"));
    for (const auto* name : {"HOTMIC_SERVER_ADMIN_KEY", "GGML_VK_VISIBLE_DEVICES", "MY_DRIVER_MODE"}) ::unsetenv(name);
}

TEST_F(ConfinedWorker, ReadsWhatTheOperatorNames) {
    const auto file = fs::temp_directory_path() / std::format("hotmic-driver-{}", ::getpid());
    std::ofstream(file) << "x";
    const auto act = "fake:try=read:" + file.string();
    EXPECT_THAT(load(act).error().message, HasSubstr("Permission denied"));
    provider_ =
        isolate(testing::make_fake_provider(), {.executable = kTestWorker, .confinement = {.readable = {file}}});
    EXPECT_THAT(load(act).error().message, HasSubstr("done"));
    fs::remove(file);
}

TEST_F(ConfinedWorker, OffLeavesItAsItWas) {
    provider_ = isolate(testing::make_fake_provider(),
                        {.executable = kTestWorker, .confinement = {.mode = system::Sandbox::off}});
    EXPECT_THAT(tried("read:/etc/passwd"), HasSubstr("done"));
}

/// A model's files, as people have them.
class ReachOfAnEngine : public ::testing::Test {
protected:
    void SetUp() override {
        folder_ = fs::canonical(fs::temp_directory_path()) / std::format("hotmic-reach-{}", ::getpid());
        fs::create_directories(folder_ / "snapshot" / "onnx");
        fs::create_directories(folder_ / "blobs");
        for (const auto* name : {"blobs/abc", "snapshot/tokenizer.json", "snapshot/other.bin", "ggml.bin"})
            std::ofstream(folder_ / name) << "x";
        fs::create_symlink("../../blobs/abc", folder_ / "snapshot" / "onnx" / "encoder_model.onnx");
    }
    void TearDown() override { fs::remove_all(folder_); }

    [[nodiscard]] auto of(const char* model) const { return reach_of_engine(folder_ / model, {}).readable; }

    fs::path folder_;
};

TEST_F(ReachOfAnEngine, OneFileStandsForItself) {
    EXPECT_THAT(of("ggml.bin"), Contains(folder_ / "ggml.bin"));
    EXPECT_THAT(of("ggml.bin"), Not(Contains(folder_)));
}

TEST_F(ReachOfAnEngine, AnExportedModelIsItsFolderWhatItLinksToAndItsDescriptions) {
    for (const auto* model : {"snapshot/onnx", "snapshot/onnx/encoder_model.onnx", "snapshot/onnx/"}) {
        const auto paths = of(model);
        EXPECT_THAT(paths, Contains(folder_ / "snapshot" / "onnx")) << model;
        EXPECT_THAT(paths, Contains(folder_ / "blobs" / "abc")) << model;
        EXPECT_THAT(paths, Contains(folder_ / "snapshot" / "tokenizer.json")) << model;
        EXPECT_THAT(paths, Not(Contains(folder_ / "snapshot" / "other.bin"))) << model;
    }
}

TEST_F(ReachOfAnEngine, AModelThatIsNotThereIsNone) {
    EXPECT_THAT(of("nowhere"), Not(Contains(folder_)));
}

}  // namespace
}  // namespace hotmic::worker
