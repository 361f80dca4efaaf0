/// A provider for faults and delays that no real engine makes on demand. What it does is said in the model's path:
///
///   fake:KEY=VALUE&KEY=VALUE…
///
///   text=hello        what every request is answered with (default: the built-in clip's text)
///   grown=hello the   what a stream's steps are answered with, but for the last
///   count=1           its streams are exact, and hear a word in each half second with sound: "w1 w2 w3"
///   forget=5          each so many steps all streams are lost
///   stall_ms=300      how long the first step of each second of a stream takes besides
///   slots=2           slots by default
///   load_ms=50        how long loading takes, in `steps` signs of life (10)
///   infer_ms=20       how long one inference takes
///   meet=2            an inference goes on only when so many run at once
///   say=words         printed to standard error when loading begins
///   try=ACT,ACT…      loading fails, with what came of each act (forbidden_acts.hpp) in the message
///   hang=load|slot|infer  stops there until told to stop; with deaf=1 it does not listen either
///   crash=load|slot|infer ends the process there: how=abort|segv|exit|kill (abort)
///   fail=load|slot|infer  returns error=CODE (load_failed, insufficient_memory, inference_failed by place)
///   poison=crash      an inference of audio with a run of `kPoison` samples crashes (how=); poison=hang: hangs;
///                     poison=wait: waits until it is told to stop
///   lies=3            after so many inferences every answer is "up up up", unless the backend is "cpu"
///   huge=20           every answer has a segment of so many megabytes
///   after=3           hang, crash and fail begin after so many passes through their place (0)
///   nan=1             numbers in the transcript are none
///   need_mb=100       what estimate() says
///   touch_mb=100      memory the load really takes
///   corrupt=1         inspect() refuses the file
///   examine=crash|hang  what inspect() does instead of telling what the file is
#pragma once

#include <atomic>
#include <memory>

#include "hotmic/provider.hpp"

namespace hotmic::testing {

/// 4096 of 32768, which no codec without loss changes.
inline constexpr float kPoison = 0.125F;
inline constexpr int kPoisonRun = 16;

/// What happened in this process; for tests that run the provider in theirs.
struct FakeRecord {
    std::atomic<int> loads{0};        ///< begun
    std::atomic<int> models{0};       ///< alive
    std::atomic<int> recognizers{0};  ///< alive
    std::atomic<int> inferences{0};   ///< begun
    std::atomic<int> running{0};      ///< inferences under way
    std::atomic<int> most_running{0};
    std::atomic<bool> held{false};     ///< by a test: no inference goes on until it says so (`notify_all`)
    std::atomic<int> wrong_thread{0};  ///< uses of a recognizer from another thread than the one that made it
};

[[nodiscard]] std::shared_ptr<Provider> make_fake_provider(
    std::shared_ptr<FakeRecord> record = std::make_shared<FakeRecord>());

}  // namespace hotmic::testing
