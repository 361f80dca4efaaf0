/// ONNX Runtime as this provider uses it: one environment a process, sessions with a bounded pool of threads that sleep
/// when idle, runs that can be cancelled, and exceptions turned into errors.
#pragma once

#include <onnxruntime_cxx_api.h>  // IWYU pragma: export

#include <exception>
#include <format>
#include <new>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"

namespace hotmic::onnx {

inline constexpr auto kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
inline constexpr auto kFloat16 = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;

/// The library's version, e.g. "1.23.2".
[[nodiscard]] std::string runtime_version();

/// The process's environment, made at the first call. Its messages go to the log.
[[nodiscard]] Ort::Env& environment();

/// The bytes of a model that declares the domains of operators and does as good as nothing.
[[nodiscard]] std::span<const unsigned char> empty_model() noexcept;

/// Options of every session here: `threads` of its own (the caller of a run is one of them) that do not spin, no memory
/// kept for shapes or between runs.
[[nodiscard]] Ort::SessionOptions session_options(int threads);

/// Memory on the CPU, as tensors over buffers of ours want it described.
[[nodiscard]] const Ort::MemoryInfo& cpu_memory();

/// One request's right to run sessions. `stop` ends the run under way between two of its operators.
class CancellableRun {
public:
    explicit CancellableRun(std::stop_token stop) : stop_(std::move(stop)), cancel_(stop_, Terminate{options_}) {}

    [[nodiscard]] const Ort::RunOptions& options() const noexcept { return options_; }
    [[nodiscard]] bool stopped() const noexcept { return stop_.stop_requested(); }

private:
    struct Terminate {
        Ort::RunOptions& options;
        void operator()() const { options.SetTerminate(); }
    };
    Ort::RunOptions options_;
    const std::stop_token stop_;
    std::stop_callback<Terminate> cancel_;
};

/// Calls `work`, which uses the library, and returns what it returns; what it throws becomes an error of `code`.
template <class Work>
[[nodiscard]] auto guarded(ErrorCode code, std::string_view what, Work&& work) -> decltype(work()) {
    try {
        return std::forward<Work>(work)();
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::insufficient_memory, std::format("{}: there was not enough memory", what),
                    "use fewer slots or a smaller model");
    } catch (const std::exception& problem) {
        return fail(code, std::format("{}: {}", what, problem.what()));
    }
}

}  // namespace hotmic::onnx
