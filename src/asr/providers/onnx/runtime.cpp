#include "asr/providers/onnx/runtime.hpp"

#include <spdlog/spdlog.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <span>
#include <string>

namespace hotmic::onnx {
namespace {

// A ModelProto (onnx.proto): the domains of operators, and a graph that copies one constant to its output.
// clang-format off
constexpr unsigned char kEmptyModel[]{
    0x08, 0x09,  // ir_version 9
    0x3A, 0x35,  // the graph
    0x0A, 0x10, 0x0A, 0x01, 0x63, 0x12, 0x01, 0x75, 0x22, 0x08, 0x49, 0x64, 0x65, 0x6E, 0x74, 0x69, 0x74, 0x79,  // node: Identity(c) = u
    0x12, 0x01, 0x67,  // its name
    0x2A, 0x0D, 0x08, 0x01, 0x10, 0x01, 0x22, 0x04, 0x00, 0x00, 0x00, 0x00, 0x42, 0x01, 0x63,  // constant c: one float
    0x62, 0x0F, 0x0A, 0x01, 0x75, 0x12, 0x0A, 0x0A, 0x08, 0x08, 0x01, 0x12, 0x04, 0x0A, 0x02, 0x08, 0x01,  // output u: one float
    0x42, 0x04, 0x0A, 0x00, 0x10, 0x14,  // opset 20
    0x42, 0x11, 0x0A, 0x0D, 0x63, 0x6F, 0x6D, 0x2E, 0x6D, 0x69, 0x63, 0x72, 0x6F, 0x73, 0x6F, 0x66, 0x74, 0x10, 0x01,  // com.microsoft 1
    0x42, 0x0A, 0x0A, 0x06, 0x68, 0x6F, 0x74, 0x6D, 0x69, 0x63, 0x10, 0x01,  // hotmic 1
};
// clang-format on

spdlog::level::level_enum level_of(OrtLoggingLevel level) {
    switch (level) {
        case ORT_LOGGING_LEVEL_VERBOSE:
            return spdlog::level::trace;
        case ORT_LOGGING_LEVEL_INFO:
            return spdlog::level::debug;
        case ORT_LOGGING_LEVEL_WARNING:
            return spdlog::level::info;
        case ORT_LOGGING_LEVEL_ERROR:
            return spdlog::level::warn;
        case ORT_LOGGING_LEVEL_FATAL:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

void ORT_API_CALL log(void*, OrtLoggingLevel level, const char*, const char*, const char* place, const char* message) {
    spdlog::log(level_of(level), "onnxruntime place={} message={:?}", place, message);
}

/// What is printed to standard error meanwhile is lost. Debian's library registers some operators twice and prints a
/// paragraph for each when the first session is made.
class QuietStandardError {
public:
    QuietStandardError() : kept_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) {
        const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (kept_ >= 0 && nowhere >= 0) dup2(nowhere, STDERR_FILENO);
        if (nowhere >= 0) close(nowhere);
    }
    ~QuietStandardError() {
        if (kept_ < 0) return;
        dup2(kept_, STDERR_FILENO);
        close(kept_);
    }
    QuietStandardError(const QuietStandardError&) = delete;
    QuietStandardError& operator=(const QuietStandardError&) = delete;

private:
    const int kept_;
};

}  // namespace

std::string runtime_version() {
    return Ort::GetVersionString();
}

Ort::Env& environment() {
    static Ort::Env made = [] {
        // Builds that report usage read this when their environment is made.
        ::setenv("ORT_DISABLE_TELEMETRY", "1", 0);  // NOLINT(concurrency-mt-unsafe): before the library has threads
        const QuietStandardError quiet;
        Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "hotmic", log, nullptr);
        env.DisableTelemetryEvents();
        const Ort::Session first(env, kEmptyModel, sizeof kEmptyModel, Ort::SessionOptions{});
        return env;
    }();
    return made;
}

std::span<const unsigned char> empty_model() noexcept {
    return kEmptyModel;
}

Ort::SessionOptions session_options(int threads) {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(threads);
    options.SetInterOpNumThreads(1);
    options.SetExecutionMode(ORT_SEQUENTIAL);
    options.SetGraphOptimizationLevel(ORT_ENABLE_EXTENDED);
    options.AddConfigEntry("session.intra_op.allow_spinning", "0");
    options.AddConfigEntry("session.inter_op.allow_spinning", "0");
    // A plan is kept for each shape that ever came, and the arena never gives back.
    options.DisableMemPattern();
    options.DisableCpuMemArena();
    return options;
}

const Ort::MemoryInfo& cpu_memory() {
    static const auto info = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
    return info;
}

}  // namespace hotmic::onnx
