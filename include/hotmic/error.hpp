/// Errors as values. Every failure hotmic can name is one row of one table: its code, the HTTP status a client sees,
/// the OpenAI error type, the exit-code class, and whether trying the same thing again can help.
#pragma once

#include <cstdint>
#include <expected>  // IWYU pragma: export: a Result is one, and std::unexpected fails
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace hotmic {

/// What went wrong. The wire name (`to_string`) is the enumerator's name; it is the same in responses, logs and
/// metrics.
enum class ErrorCode : std::uint8_t {
    // The request.
    invalid_request,
    missing_file,
    unsupported_response_format,
    unsupported_parameter,
    unsupported_language,
    body_too_large,
    unauthorized,
    key_forbidden,  ///< the key is known, and not good for this
    rate_limited,   ///< the key has had its requests, or has as many under way as it may
    not_found,
    method_not_allowed,
    model_not_found,
    headers_too_large,
    client_too_slow,     ///< a request did not come in time
    host_not_allowed,    ///< the request is for another server, or says so to get in
    origin_not_allowed,  ///< a page of another origin asks
    upgrade_required,    ///< the path is a WebSocket
    expectation_failed,
    server_busy,  ///< no room: too many connections, or too many bytes held for clients
    // Jobs.
    jobs_disabled,
    job_not_found,
    job_not_finished,       ///< it has no result, or not yet
    idempotency_mismatch,   ///< the same Idempotency-Key came with another request
    recording_unreachable,  ///< it was to be fetched from a URL
    job_abandoned,          ///< the server died too often while it worked on it
    // The audio.
    audio_undecodable,
    audio_no_track,
    audio_empty,
    audio_too_long,
    audio_invalid_samples,
    audio_too_costly,
    decoder_crashed,      ///< the process that decoded it died of it, or had to be ended
    decoder_unavailable,  ///< there is no process to decode it
    // Readiness and admission.
    model_not_loaded,  ///< not loaded yet: nothing was asked for, or the load is still running
    model_unloaded,    ///< no longer loaded: it was, and has been given back
    model_failed,      ///< the load or warmup failed; the cause says how
    queue_full,
    queue_timeout,
    stream_lost,  ///< the engine does not have what a stream said before
    request_timeout,
    cancelled,
    shutting_down,
    wait_timeout,  ///< the caller's own patience ended; the attempt goes on
    // Loading.
    provider_unknown,
    provider_unavailable,
    model_file_missing,
    model_file_unreadable,
    model_not_recognized,
    model_unsupported,
    model_truncated,
    model_corrupt,
    checksum_mismatch,
    insufficient_memory,
    load_timeout,
    load_stalled,
    load_failed,
    load_cancelled,
    superseded,        ///< a newer swap took its place
    download_failed,   ///< no source could be reached, or none gave all of it
    download_refused,  ///< every source says no
    disk_full,
    offline,  ///< it is not here, and nothing may be downloaded
    worker_start_failed,
    worker_crashed,
    // Warming up.
    warmup_failed,
    warmup_timeout,
    too_slow,
    disqualified,  ///< what it computes on does not repeat itself, or does not hear what was said
    // Serving and unloading.
    inference_failed,
    model_lost,
    poison_request,  ///< the model died twice while it worked on this request: its like is refused for a while
    worker_hung,     ///< it neither answers nor ends
    unhealthy,       ///< its canary inferences fail or have become slow
    crash_loop,      ///< it died too often: it is tried again after ever longer pauses, or when an operator asks
    unload_timeout,
    // Everything else.
    config_invalid,
    address_in_use,
    sandbox_unavailable,  ///< the kernel does not give what `sandbox` requires
    job_database_unusable,
    io_error,
    internal,
};

/// Who has to act. Decides the exit code of the command line.
enum class ErrorClass : std::uint8_t { request, audio, model, serving, config, internal };

/// One row of the error table.
struct ErrorSpec {
    ErrorCode code;                ///< of this row
    std::string_view name;         ///< wire name, e.g. "model_file_missing"
    int http_status;               ///< that a client of the HTTP API gets
    std::string_view openai_type;  ///< `type` of OpenAI's error object, e.g. "invalid_request_error"
    ErrorClass error_class;        ///< who has to act
    bool permanent;                ///< repeating the same load cannot help until the file or the configuration changes
    std::string_view meaning;      ///< one sentence, for documentation
};

/// The whole table, in the order of `ErrorCode`.
[[nodiscard]] std::span<const ErrorSpec> error_table() noexcept;
/// The row of one code.
[[nodiscard]] const ErrorSpec& spec_of(ErrorCode code) noexcept;
/// Its wire name.
[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;
/// Exit code of the command line for an error: 3 request, 4 audio, 5 model, 6 serving, 7 config, 1 internal (2 is
/// usage).
[[nodiscard]] int exit_code_of(ErrorCode code) noexcept;

/// A failure: what (code), in words that name the thing (message), and what to do about it (remedy, may be empty).
struct Error {
    ErrorCode code{ErrorCode::internal};  ///< which failure
    std::string message;                  ///< what was wrong, naming the thing
    std::string remedy{};                 ///< what to do about it; may be empty
    std::string param{};                  ///< the request field or configuration key at fault, if one is

    /// "message. remedy" — what a person reads.
    [[nodiscard]] std::string describe() const;

    friend bool operator==(const Error&, const Error&) = default;
};

/// A value, or why there is none.
template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for returning a failure: `return fail(ErrorCode::audio_empty, "the upload has 0 bytes", "send a file");`
[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message, std::string remedy = {},
                                                 std::string param = {}) {
    return std::unexpected(Error{code, std::move(message), std::move(remedy), std::move(param)});
}

}  // namespace hotmic
