#include "cli/vad_model.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <format>
#include <memory>
#include <string>
#include <system_error>

#include "asr/providers/whisper_cpp/vad_model.hpp"
#include "audio/clip.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"

namespace hotmic::cli {
namespace {

constexpr std::chrono::seconds kPatience{30};

struct Ended {
    int status = 0;  // of waitpid
    std::string said;
};

/// Runs `hotmic try-vad-model PATH` and hears it out.
Result<Ended> run_trial(const std::filesystem::path& path) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail(ErrorCode::worker_start_failed, std::format("no pipe: {}", std::strerror(errno)));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::string program = "/proc/self/exe";
    std::string command = "try-vad-model";
    std::string file = path.string();
    std::array<char*, 4> arguments{program.data(), command.data(), file.data(), nullptr};
    pid_t pid = -1;
    const int code = posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (code != 0) {
        ::close(ends[0]);
        return fail(ErrorCode::worker_start_failed,
                    std::format("the VAD model could not be tried: {}", std::strerror(code)));
    }

    Ended ended;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (true) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        pollfd output{ends[0], POLLIN, 0};
        if (left.count() <= 0 || ::poll(&output, 1, static_cast<int>(left.count())) == 0) {
            ::kill(pid, SIGKILL);
            break;
        }
        std::array<char, 4096> text{};
        const auto count = ::read(ends[0], text.data(), text.size());
        if (count == 0 || (count < 0 && errno != EINTR)) break;
        if (count > 0) ended.said.append(text.data(), static_cast<std::size_t>(count));
    }
    ::close(ends[0]);
    while (::waitpid(pid, &ended.status, 0) < 0 && errno == EINTR) {
    }
    return ended;
}

}  // namespace

std::filesystem::path find_vad_model(const std::filesystem::path& configured, const std::filesystem::path& models_dir) {
    if (!configured.empty()) return configured;
    std::filesystem::path newest;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(models_dir, error)) {
        const auto name = entry.path().filename().string();
        if (name.starts_with("ggml-silero-") && name.ends_with(".bin") && name > newest.filename().string())
            newest = entry.path();
    }
    return newest;
}

Result<std::shared_ptr<const VadModel>> load_vad_model(const std::filesystem::path& path) {
    if (path.empty()) return nullptr;
    auto model = whisper_cpp::read_vad_model(path);
    if (!model) return model;
    const auto trial = run_trial(path);
    if (!trial) return std::unexpected(trial.error());
    if (WIFEXITED(trial->status) && WEXITSTATUS(trial->status) == 0) return model;
    const auto why = WIFSIGNALED(trial->status)
                         ? std::format("the engine ended with signal {} over it", WTERMSIG(trial->status))
                         : trial->said;
    return fail(ErrorCode::model_corrupt, std::format("{} cannot be used: {}", path.string(), why),
                "take one of whisper.cpp's, ggml-silero-….bin, or leave server.vad_model out");
}

int try_vad_model(const std::filesystem::path& path) {
    spdlog::set_level(spdlog::level::off);  // what is said here is the answer
    const auto model = whisper_cpp::read_vad_model(path);
    const auto speech = audio::clip_of_length(Seconds(5));
    auto tried = model && speech ? whisper_cpp::try_vad_model(**model, *speech)
                                 : Result<void>(std::unexpected(model ? speech.error() : model.error()));
    if (tried) return 0;
    std::fputs(tried.error().message.c_str(), stdout);
    return 1;
}

}  // namespace hotmic::cli
