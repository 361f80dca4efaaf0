/// A slot of the whisper_cpp provider: one whisper_state over shared weights.
#pragma once

#include <whisper.h>

#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::whisper_cpp {

/// Most decoders the engine can run at once (WHISPER_MAX_DECODERS).
inline constexpr int kMaxDecoders = 8;

struct WhisperDeleter {
    void operator()(whisper_context* context) const { whisper_free(context); }
    void operator()(whisper_state* state) const { whisper_free_state(state); }
};
using ContextPtr = std::unique_ptr<whisper_context, WhisperDeleter>;
using StatePtr = std::unique_ptr<whisper_state, WhisperDeleter>;

/// A state for `context`. Errors: insufficient_memory.
[[nodiscard]] Result<StatePtr> make_state(whisper_context& context);

/// What whisper_full's return code means. `stopped`: the request's stop token; `state` is let go of without freeing it
/// when the library has freed it already (code -7).
[[nodiscard]] Result<void> outcome_of(int code, bool stopped, StatePtr& state);

/// Used by the thread that made it and no other: OpenMP keeps a team of threads for each thread that ever inferred.
class WhisperRecognizer final : public Recognizer {
public:
    /// `info` and `context` belong to the model and outlive this.
    WhisperRecognizer(whisper_context& context, StatePtr state, const ModelInfo& info, const ModelSpec& spec);

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token stop) override;
    /// Live streams are not made by this provider.

private:
    struct Run;
    [[nodiscard]] Result<void> detect_language(AudioView audio, Run& run);
    [[nodiscard]] Result<void> run_window(AudioView window, Seconds offset, Run& run);
    [[nodiscard]] std::vector<whisper_token> prompt_tokens(const std::string& prompt);
    [[nodiscard]] whisper_full_params parameters(Run& run, std::span<const whisper_token> prompt) const;

    whisper_context& context_;
    StatePtr state_;
    const ModelInfo& info_;
    const ModelSpec& spec_;
    const std::thread::id home_ = std::this_thread::get_id();
};

}  // namespace hotmic::whisper_cpp
