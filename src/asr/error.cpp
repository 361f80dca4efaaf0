#include "hotmic/error.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace hotmic {
namespace {

using enum ErrorCode;
using Class = ErrorClass;

constexpr std::string_view kInvalid = "invalid_request_error";
constexpr std::string_view kServer = "server_error";
constexpr std::string_view kUnavailable = "service_unavailable_error";

// The one place that knows codes. Columns: code, name, HTTP status, OpenAI type, class, permanent, meaning.
constexpr std::array kTable{
    ErrorSpec{invalid_request, "invalid_request", 400, kInvalid, Class::request, true, "the request is malformed"},
    ErrorSpec{missing_file, "missing_file", 400, kInvalid, Class::request, true,
              "the multipart body has no part named file"},
    ErrorSpec{unsupported_response_format, "unsupported_response_format", 400, kInvalid, Class::request, true,
              "response_format is none that this server writes"},
    ErrorSpec{unsupported_parameter, "unsupported_parameter", 400, kInvalid, Class::request, true,
              "a field this server or model cannot honour"},
    ErrorSpec{unsupported_language, "unsupported_language", 400, kInvalid, Class::request, true,
              "the language is unknown, or unknown to this model"},
    ErrorSpec{body_too_large, "body_too_large", 413, kInvalid, Class::request, true,
              "the upload is over the limit in bytes"},
    ErrorSpec{unauthorized, "unauthorized", 401, "authentication_error", Class::request, true,
              "the API key is missing or wrong"},
    ErrorSpec{key_forbidden, "key_forbidden", 403, "permission_error", Class::request, true,
              "the API key has not the scope for that"},
    ErrorSpec{rate_limited, "rate_limited", 429, "rate_limit_error", Class::serving, false,
              "the API key has had its requests of the minute, or has as many under way as it may"},
    ErrorSpec{not_found, "not_found", 404, kInvalid, Class::request, true, "no such path"},
    ErrorSpec{method_not_allowed, "method_not_allowed", 405, kInvalid, Class::request, true,
              "the path exists, the method does not"},
    ErrorSpec{model_not_found, "model_not_found", 404, kInvalid, Class::request, true,
              "no model of that name or alias"},
    ErrorSpec{headers_too_large, "headers_too_large", 431, kInvalid, Class::request, true,
              "the request has too many or too long header fields"},
    ErrorSpec{client_too_slow, "client_too_slow", 408, kInvalid, Class::request, false,
              "the request did not come in time"},
    ErrorSpec{host_not_allowed, "host_not_allowed", 421, kInvalid, Class::request, true,
              "the request's Host is none of this server's"},
    ErrorSpec{origin_not_allowed, "origin_not_allowed", 403, kInvalid, Class::request, true,
              "a page of another origin may not do that"},
    ErrorSpec{upgrade_required, "upgrade_required", 426, kInvalid, Class::request, true, "the path is a WebSocket"},
    ErrorSpec{expectation_failed, "expectation_failed", 417, kInvalid, Class::request, true,
              "the request expects what is not done here"},
    ErrorSpec{server_busy, "server_busy", 503, kUnavailable, Class::serving, false,
              "there is no room for more connections or bytes"},
    ErrorSpec{jobs_disabled, "jobs_disabled", 501, kServer, Class::config, true, "this server keeps no jobs"},
    ErrorSpec{job_not_found, "job_not_found", 404, kInvalid, Class::request, true, "no job of that id"},
    ErrorSpec{job_not_finished, "job_not_finished", 409, kInvalid, Class::request, false,
              "the job has no result, or not yet"},
    ErrorSpec{idempotency_mismatch, "idempotency_mismatch", 422, kInvalid, Class::request, true,
              "the Idempotency-Key was used for another request"},
    ErrorSpec{recording_unreachable, "recording_unreachable", 422, kInvalid, Class::request, true,
              "the recording could not be fetched from its URL"},
    ErrorSpec{job_abandoned, "job_abandoned", 500, kServer, Class::serving, true,
              "the server died too often while it worked on the job"},
    ErrorSpec{audio_undecodable, "audio_undecodable", 400, kInvalid, Class::audio, true,
              "the bytes are not media that can be decoded"},
    ErrorSpec{audio_no_track, "audio_no_track", 400, kInvalid, Class::audio, true, "the media has no audio track"},
    ErrorSpec{audio_empty, "audio_empty", 400, kInvalid, Class::audio, true, "the upload has no bytes or no samples"},
    ErrorSpec{audio_too_long, "audio_too_long", 413, kInvalid, Class::audio, true,
              "the audio is over the limit in seconds"},
    ErrorSpec{audio_invalid_samples, "audio_invalid_samples", 400, kInvalid, Class::audio, true,
              "samples are not finite numbers"},
    ErrorSpec{audio_too_costly, "audio_too_costly", 422, kInvalid, Class::audio, true,
              "decoding takes far more time or bytes than the audio that comes of it is worth"},
    ErrorSpec{decoder_crashed, "decoder_crashed", 422, kInvalid, Class::audio, true,
              "the process that decoded the media died of it, twice"},
    ErrorSpec{decoder_unavailable, "decoder_unavailable", 503, kUnavailable, Class::serving, false,
              "no process could be started to decode the media"},
    ErrorSpec{model_not_loaded, "model_not_loaded", 503, kUnavailable, Class::model, false, "not loaded yet"},
    ErrorSpec{model_unloaded, "model_unloaded", 503, kUnavailable, Class::model, false, "no longer loaded"},
    ErrorSpec{model_failed, "model_failed", 503, kUnavailable, Class::model, false,
              "could not be made ready; the cause says why"},
    ErrorSpec{queue_full, "queue_full", 429, "rate_limit_error", Class::serving, false,
              "too many requests are waiting already"},
    ErrorSpec{queue_timeout, "queue_timeout", 503, kUnavailable, Class::serving, false, "no slot became free in time"},
    ErrorSpec{stream_lost, "stream_lost", 503, kServer, Class::serving, false,
              "the engine no longer has what a stream said before; it is heard again"},
    ErrorSpec{request_timeout, "request_timeout", 504, kServer, Class::serving, false,
              "the inference took longer than allowed"},
    ErrorSpec{cancelled, "cancelled", 499, kInvalid, Class::serving, false, "the caller went away or cancelled"},
    ErrorSpec{shutting_down, "shutting_down", 503, kUnavailable, Class::serving, false, "the server is stopping"},
    ErrorSpec{wait_timeout, "wait_timeout", 503, kUnavailable, Class::model, false,
              "the caller stopped waiting; the load goes on"},
    ErrorSpec{provider_unknown, "provider_unknown", 400, kInvalid, Class::config, true, "no provider of that name"},
    ErrorSpec{provider_unavailable, "provider_unavailable", 503, kUnavailable, Class::model, false,
              "the provider cannot run on this machine"},
    ErrorSpec{model_file_missing, "model_file_missing", 503, kUnavailable, Class::model, true,
              "no file at the model's path"},
    ErrorSpec{model_file_unreadable, "model_file_unreadable", 503, kUnavailable, Class::model, true,
              "the model's path cannot be read as a file"},
    ErrorSpec{model_not_recognized, "model_not_recognized", 503, kUnavailable, Class::model, true,
              "the file is not a model"},
    ErrorSpec{model_unsupported, "model_unsupported", 503, kUnavailable, Class::model, true,
              "a model, but of a kind or version this provider cannot load"},
    ErrorSpec{model_truncated, "model_truncated", 503, kUnavailable, Class::model, true,
              "the file ends before its contents do"},
    ErrorSpec{model_corrupt, "model_corrupt", 503, kUnavailable, Class::model, true, "the file contradicts itself"},
    ErrorSpec{checksum_mismatch, "checksum_mismatch", 503, kUnavailable, Class::model, true,
              "the file's digest is not the expected one"},
    ErrorSpec{insufficient_memory, "insufficient_memory", 503, kUnavailable, Class::model, false,
              "the model needs more memory than is available"},
    ErrorSpec{load_timeout, "load_timeout", 503, kUnavailable, Class::model, false,
              "loading took longer than load_timeout"},
    ErrorSpec{load_stalled, "load_stalled", 503, kUnavailable, Class::model, false,
              "loading made no progress for stall_timeout"},
    ErrorSpec{load_failed, "load_failed", 503, kUnavailable, Class::model, false, "the engine refused the model"},
    ErrorSpec{load_cancelled, "load_cancelled", 503, kUnavailable, Class::model, false,
              "the load was cancelled by an unload or shutdown"},
    ErrorSpec{superseded, "superseded", 409, kInvalid, Class::model, false, "a newer swap of the model took its place"},
    ErrorSpec{download_failed, "download_failed", 503, kUnavailable, Class::model, false,
              "no source of the model could be reached, or none gave all of it"},
    ErrorSpec{download_refused, "download_refused", 503, kUnavailable, Class::model, true,
              "every source of the model refuses it"},
    ErrorSpec{disk_full, "disk_full", 507, kServer, Class::model, false, "there is no room on the disk"},
    ErrorSpec{offline, "offline", 503, kUnavailable, Class::model, true,
              "the model is not on this machine, and nothing may be downloaded"},
    ErrorSpec{worker_start_failed, "worker_start_failed", 503, kUnavailable, Class::model, false,
              "the worker process could not be started"},
    ErrorSpec{worker_crashed, "worker_crashed", 503, kUnavailable, Class::model, false,
              "the worker process died while loading or warming up"},
    ErrorSpec{warmup_failed, "warmup_failed", 503, kUnavailable, Class::model, false,
              "a warmup inference failed or its output was wrong"},
    ErrorSpec{warmup_timeout, "warmup_timeout", 503, kUnavailable, Class::model, false,
              "warming up took longer than its budget"},
    ErrorSpec{too_slow, "too_slow", 503, kUnavailable, Class::model, false, "warm, but slower than ready_if allows"},
    ErrorSpec{disqualified, "disqualified", 503, kUnavailable, Class::model, true,
              "what it computes on answers the same clip differently, or wrongly"},
    ErrorSpec{inference_failed, "inference_failed", 500, kServer, Class::serving, false,
              "the engine failed on this request"},
    ErrorSpec{model_lost, "model_lost", 503, kUnavailable, Class::serving, false,
              "the model died while it was serving"},
    ErrorSpec{poison_request, "poison_request", 422, kInvalid, Class::request, true,
              "the model died twice while it worked on this request; its like is refused for a while"},
    ErrorSpec{worker_hung, "worker_hung", 503, kUnavailable, Class::serving, false,
              "the worker process neither answered nor ended"},
    ErrorSpec{unhealthy, "unhealthy", 503, kUnavailable, Class::model, false,
              "canary inferences failed or became slow"},
    ErrorSpec{crash_loop, "crash_loop", 503, kUnavailable, Class::model, true,
              "the model died too often; it is tried again after a pause"},
    ErrorSpec{unload_timeout, "unload_timeout", 504, kServer, Class::model, false,
              "unloading did not end in time; it goes on"},
    ErrorSpec{config_invalid, "config_invalid", 400, kInvalid, Class::config, true, "the configuration is wrong"},
    ErrorSpec{address_in_use, "address_in_use", 500, kServer, Class::config, true,
              "another process listens on the address"},
    ErrorSpec{sandbox_unavailable, "sandbox_unavailable", 503, kUnavailable, Class::config, true,
              "this machine does not give what the sandbox requires"},
    ErrorSpec{job_database_unusable, "job_database_unusable", 500, kServer, Class::config, true,
              "the database of the jobs is damaged, in use, or of another program or version"},
    ErrorSpec{io_error, "io_error", 500, kServer, Class::internal, false, "reading or writing failed"},
    ErrorSpec{internal, "internal", 500, kServer, Class::internal, false, "a defect in hotmic"},
};

constexpr bool rows_are_in_order() {
    for (std::size_t i = 0; i < kTable.size(); ++i) {
        if (std::to_underlying(kTable[i].code) != i) return false;
    }
    return kTable.size() == std::size_t{std::to_underlying(internal)} + 1;
}
static_assert(rows_are_in_order(), "the error table has one row per ErrorCode, in the order of the enum");

}  // namespace

std::span<const ErrorSpec> error_table() noexcept {
    return kTable;
}

const ErrorSpec& spec_of(ErrorCode code) noexcept {
    return kTable[std::to_underlying(code)];
}

std::string_view to_string(ErrorCode code) noexcept {
    return spec_of(code).name;
}

int exit_code_of(ErrorCode code) noexcept {
    switch (spec_of(code).error_class) {
        case Class::request:
            return 3;
        case Class::audio:
            return 4;
        case Class::model:
            return 5;
        case Class::serving:
            return 6;
        case Class::config:
            return 7;
        case Class::internal:
            return 1;
    }
    std::unreachable();
}

std::string Error::describe() const {
    if (remedy.empty()) return message;
    return message + "; " + remedy;
}

}  // namespace hotmic
