#include "config/schema.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "config/config.hpp"

namespace hotmic::config {
namespace {

using std::string_view;

constexpr double kMaxMilliseconds = 30.0 * 24 * 3600 * 1000;
constexpr Range kDuration{0, kMaxMilliseconds};
constexpr Range kPositiveDuration{1, kMaxMilliseconds};

constexpr std::array<string_view, 6> kLogLevels{"trace", "debug", "info", "warn", "error", "off"};
constexpr std::array<string_view, 2> kLogFormats{"text", "json"};
constexpr std::array<string_view, 3> kValidate{"off", "runs", "transcribes"};  // in the order of the enum
constexpr std::array<string_view, 2> kLoad{"start", "demand"};
constexpr std::array<string_view, 2> kQuantize{"int8", "none"};
constexpr std::array<string_view, 3> kTextCase{"model", "lower", "upper"};
constexpr std::array<string_view, 2> kChannels{"mix", "separate"};
constexpr std::array<string_view, 3> kSandbox{"require", "try", "off"};  // in the order of the enum
constexpr std::array<string_view, 3> kSwap{"auto", "beside", "replace"};

// In place of a Range or choices.
constexpr Range kAny{};
constexpr std::span<const string_view> kFree{};

constexpr std::array kSections{
    Section{"", "Above all sections."},
    Section{"server", "The HTTP server."},
    Section{"audio", "What is decoded, and what that may take."},
    Section{"log", "What is written to standard error."},
    Section{"traces", "Spans of requests and of models being made ready, sent as OpenTelemetry's protocol."},
    Section{"jobs", "Recordings that are recognized while nobody waits: see [api.md](api.md#jobs)."},
    Section{"download", "Getting models by name."},
    Section{
        "models.*",
        "A model, one section each. `*` is the name that clients ask for: letters, digits, `_` and `-`. No section: "
        "one model named `default`."},
    Section{"models.*.warmup", "What happens between loading a model and calling it ready."},
    Section{"models.*.retry", "Trying again after a load that failed for a reason that may pass."},
    Section{"models.*.supervise", "Keeping a ready model ready."},
};

// A row's accessor. A macro because a function pointer per field cannot be made from a pointer to a nested member.
#define IN_CONFIG(member) [](Config& config, Model&) -> Field { return &config.member; }
#define IN_MODEL(member) [](Config&, Model& model) -> Field { return &model.member; }

// clang-format off
constexpr std::array kKeys{
    Key{"models_dir", "Folder in which model files are looked for, and into which models are downloaded. Empty: `$XDG_DATA_HOME/hotmic/models`, which usually is `~/.local/share/hotmic/models`.", IN_CONFIG(models_dir)},
    Key{"offline", "Nothing is downloaded: a model that is named and not on this machine is an error.", IN_CONFIG(offline)},
    Key{"sandbox", "Whether workers and decoders give up what they do not need: files, networks, system calls. `require`: nothing starts on a kernel that cannot do all of it; `try`: what can be done is done, and what cannot is told; `off`. See [security.md](security.md).", IN_CONFIG(sandbox), kAny, kSandbox},
    Key{"worker_paths", "Further files and folders that workers may read: a driver or library outside the system's folders. Absolute.", IN_CONFIG(worker_paths)},
    Key{"worker_environment", "Further variables of the environment that workers are given: `NAME`, or `PREFIX*`. [security.md](security.md) lists those that they have anyway.", IN_CONFIG(worker_environment)},
    Key{"catalogue", "File of further models that can be named, of the form of `models/catalogue.toml`. In a file, relative to that file's folder.", IN_CONFIG(catalogue)},
    Key{"default_model", "The model that serves a request which names none, and that flags like `--model` are about. Empty: the one named `default`, else the only one.", IN_CONFIG(default_model)},
    Key{"parallel_loads", "Models that load or warm up at once; others wait for their turn.", IN_CONFIG(parallel_loads), {1, 64}},

    Key{"server.host", "Address to listen on. `0.0.0.0` is every IPv4 interface, `::` every one.", IN_CONFIG(server.host)},
    Key{"server.port", "Port to listen on. 0: any free one, printed at start.", IN_CONFIG(server.port), {0, 65535}},
    Key{"server.api_keys", "Keys that clients may present as `Authorization: Bearer …`. Empty, and no `keys_file`: open to whoever reaches the port.", IN_CONFIG(server.api_keys), kAny, kFree, true},
    Key{"server.admin_key", "Key of `/admin`, presented as `Authorization: Bearer …`. Empty, and no key in `keys_file` with the scope `admin`: admin requests are taken from this machine only; set it behind a proxy on this machine, which may look like a program here.", IN_CONFIG(server.admin_key), kAny, kFree, true},
    Key{"server.keys_file", "File of keys with names, scopes, limits and dates, as digests: `hotmic key` makes them ([security.md](security.md)). Transcribing needs a key then, be the file empty. SIGHUP and `POST /admin/reload` read it again. As a credential: the file itself. In a file, relative to that file's folder.", IN_CONFIG(server.keys_file)},
    Key{"server.tls_certificate", "File with the server's certificate, and those between it and its authority behind it, in PEM format. Empty: HTTP without TLS. SIGHUP reads it again.", IN_CONFIG(server.tls_certificate)},
    Key{"server.tls_key", "File with the certificate's private key, in PEM format and without a passphrase.", IN_CONFIG(server.tls_key)},
    Key{"server.tls_client_ca", "File with the certificates of the authorities that sign those of clients: whoever has none may not come in. Empty: clients need no certificate.", IN_CONFIG(server.tls_client_ca)},
    Key{"server.admin_listen", "Where `/admin` is answered, with health and metrics beside it, without TLS: `HOST:PORT`, or `unix:PATH` for a socket that this user and its group may use. The port of all has no `/admin` then. Empty: all is on one port.", IN_CONFIG(server.admin_listen)},
    Key{"server.hosts", "Names that requests may be for, as their `Host` says; others are refused. Addresses, `localhost` and this machine's name always may. Empty: every name, except for admin requests without a key.", IN_CONFIG(server.hosts)},
    Key{"server.cors_origins", "Origins, like `https://app.example`, whose pages may use the API from a browser; `*` is every one. Empty: only the page that this server serves.", IN_CONFIG(server.cors_origins)},
    Key{"server.max_body_bytes", "Largest upload in bytes.", IN_CONFIG(server.max_body_bytes), {1024, 16.0 * (1ULL << 30)}},
    Key{"server.max_buffered_bytes", "Most bytes that are held for all clients together: small uploads and the first mebibyte of large ones, messages that are not complete, answers that are not read. What goes beyond is refused; an eighth, 4 MiB at most, is kept for probes.", IN_CONFIG(server.max_buffered_bytes), {1 << 20, 1024.0 * (1ULL << 30)}},
    Key{"server.upload_dir", "Folder for uploads of more than 1 MiB while they are received and recognized. The files have no names, and nothing is left of them. Made for this user alone where it does not exist. Empty: `$TMPDIR`, else `/var/tmp`; where that cannot be used, uploads stay in memory. In a file, relative to that file's folder.", IN_CONFIG(server.upload_dir)},
    Key{"server.max_spooled_bytes", "Most bytes of uploads that are on disk for all clients together. What goes beyond is refused.", IN_CONFIG(server.max_spooled_bytes), {1 << 20, 1024.0 * (1ULL << 30)}},
    Key{"server.max_audio_seconds", "Longest audio of one request in seconds.", IN_CONFIG(server.max_audio_seconds), {1, 7 * 24 * 3600.0}},
    Key{"server.decode_cpu_seconds", "Processor time in seconds that decoding a file may take before the first of its audio comes, and then beyond 3 % of that audio's length; twenty times as much by the clock. A file that needs more is refused.", IN_CONFIG(server.decode_cpu_seconds), {0.1, 3600}},
    Key{"server.max_connections", "Connections open at once, Wyoming's included. One more takes the place of the one that has been idle for longest; where none is idle, only health is answered.", IN_CONFIG(server.max_connections), {1, 1'000'000}},
    Key{"server.max_connections_per_client", "The same of one address, which one more of its own makes room for. 0: no limit. Behind a proxy all clients have its address.", IN_CONFIG(server.max_connections_per_client), {0, 1'000'000}},
    Key{"server.max_streams", "Live streams open at once; more are refused.", IN_CONFIG(server.max_streams), {1, 100'000}},
    Key{"server.max_requests_per_client", "Requests that one address may have under way, so that it does not keep others waiting; more are refused. 0: no limit. Behind a proxy all clients have its address.", IN_CONFIG(server.max_requests_per_client), {0, 100'000}},
    Key{"server.max_streams_per_client", "The same for live streams.", IN_CONFIG(server.max_streams_per_client), {0, 100'000}},
    Key{"server.vad_model", "Trained voice detector in whisper.cpp's format, `ggml-silero-….bin`, that tells speech from silence in files and live streams. Empty: the newest such file in `models_dir`; without one WebRTC's detector, which finds only long silence. In a file, relative to that file's folder.", IN_CONFIG(server.vad_model)},
    Key{"server.blank_after_words_ms", "A streaming transducer that has heard nothing for this long after its last word ends the utterance, also where the voice detector takes noise for a voice.", IN_CONFIG(server.blank_after_words), kPositiveDuration},
    Key{"server.blank_without_words_ms", "A streaming transducer that has heard no word for this long since an utterance began forgets what it heard.", IN_CONFIG(server.blank_without_words), kPositiveDuration},
    Key{"server.channels", "What becomes of a recording's channels where the request does not say: `mix`, they are heard as one; `separate`, each is heard by itself.", IN_CONFIG(server.channels), kAny, kChannels},
    Key{"server.max_line_width", "Most columns of a line in `srt` and `vtt` where the request does not say; a full-width character takes two. 0: one cue for each segment, however long.", IN_CONFIG(server.max_line_width), {0, 1000}},
    Key{"server.max_line_count", "Most lines of a cue in `srt` and `vtt` where the request does not say.", IN_CONFIG(server.max_line_count), {1, 100}},
    Key{"server.wyoming_port", "Port of the Wyoming protocol, which Home Assistant speaks and which knows no keys. 0: it is not served.", IN_CONFIG(server.wyoming_port), {0, 65535}},
    Key{"server.io_threads", "Threads that read and write connections.", IN_CONFIG(server.io_threads), {1, 256}},
    Key{"server.decode_threads", "Threads that decode uploaded media.", IN_CONFIG(server.decode_threads), {1, 256}},
    Key{"server.header_timeout_ms", "Longest time from a request's first byte to the end of its header.", IN_CONFIG(server.header_timeout), kPositiveDuration},
    Key{"server.body_timeout_ms", "Within each such time a client has to send 1 KiB of a body a second, on average.", IN_CONFIG(server.body_timeout), kPositiveDuration},
    Key{"server.idle_timeout_ms", "A connection that says nothing for this long is closed, unless it waits for an answer.", IN_CONFIG(server.idle_timeout), kPositiveDuration},
    Key{"server.drain_delay_ms", "After SIGTERM: not ready but still serving for this long, so that load balancers notice.", IN_CONFIG(server.drain_delay), kDuration},
    Key{"server.shutdown_timeout_ms", "After SIGTERM: everything has stopped by then.", IN_CONFIG(server.shutdown_timeout), kPositiveDuration},

    Key{"audio.containers", "Formats of files that are taken, by libav's names (`ffmpeg -demuxers`); no playlist can be. Empty: wav, w64, aiff, caf, au, flac, mp3, ogg, aac, ac3, amr, asf, avi, flv, mpeg, mpegts, mov, matroska and their kin.", IN_CONFIG(audio.containers)},
    Key{"audio.codecs", "Codecs that are taken, likewise (`ffmpeg -codecs`). Empty: aac, ac3, eac3, alac, amr, dts, flac, gsm, ilbc, mp2, mp3, opus, speex, vorbis, wavpack, wma, G.72x, PCM and the usual ADPCM.", IN_CONFIG(audio.codecs)},
    Key{"audio.decoder_memory_bytes", "Most memory of one process that decodes; a file that needs more is refused.", IN_CONFIG(audio.decoder_memory_bytes), {64ULL << 20, 64.0 * (1ULL << 30)}},
    Key{"audio.decoder_timeout_ms", "A decoder that is waited for and sends nothing for this long hangs, and is ended.", IN_CONFIG(audio.decoder_timeout), {1000, kMaxMilliseconds}},

    Key{"log.level", "Least important lines that are written.", IN_CONFIG(log.level), kAny, kLogLevels},
    Key{"log.format", "How a line looks.", IN_CONFIG(log.format), kAny, kLogFormats},

    Key{"traces.endpoint", "URL to which spans are posted, as OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`. Empty: what `$OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `$OTEL_EXPORTER_OTLP_ENDPOINT` say; where they say nothing, nothing is traced. Headers, certificates and the like are as the variables of OpenTelemetry say.", IN_CONFIG(traces.endpoint)},
    Key{"traces.sample_ratio", "Part of the traces that begin here which is recorded. A caller that says in its `traceparent` whether its trace is recorded is heeded.", IN_CONFIG(traces.sample_ratio), {0, 1}},

    Key{"jobs.dir", "Folder of the jobs: their database, and recordings until they are recognized. Made for this user alone where it does not exist; for one server only. Empty: `/v1/jobs` takes none. In a file, relative to that file's folder.", IN_CONFIG(jobs.dir)},
    Key{"jobs.max_jobs", "Jobs that are kept, ended ones included; more are answered with 429.", IN_CONFIG(jobs.max_jobs), {1, 1'000'000}},
    Key{"jobs.max_bytes", "Bytes of recordings and results that are kept; more are answered with 429.", IN_CONFIG(jobs.max_bytes), {1, 1e14}},
    Key{"jobs.keep_ms", "A job that has ended is forgotten after this long, and its result with it.", IN_CONFIG(jobs.keep), {1, 366.0 * 24 * 3600 * 1000}},
    Key{"jobs.parallel", "Jobs that run at once. Each takes a slot of its model, and lets any other request go first.", IN_CONFIG(jobs.parallel), {1, 64}},
    Key{"jobs.url_hosts", "Hosts that recordings are fetched from where a job comes with a `url`: `example.com`; `*.example.com`, every name below it; `*`, every public address. Addresses that are not public are asked only where the name is written out. Empty: none.", IN_CONFIG(jobs.url_hosts)},
    Key{"jobs.webhook_hosts", "Hosts that may be told of a job's end, likewise. Empty: jobs with a `webhook` are refused.", IN_CONFIG(jobs.webhook_hosts)},
    Key{"jobs.webhook_secret", "What webhooks are signed with, as https://www.standardwebhooks.com has it: `whsec_` and base64 of 24 to 64 bytes (`echo whsec_$(openssl rand -base64 32)`).", IN_CONFIG(jobs.webhook_secret), kAny, kFree, true},
    Key{"jobs.webhook_timeout_ms", "A webhook that is not answered within this long is tried again.", IN_CONFIG(jobs.webhook_timeout), {1, 600'000}},
    Key{"jobs.webhook_retry_ms", "Wait before the second attempt of a webhook; each further wait is four times as long, up to six hours. After ten attempts it is given up.", IN_CONFIG(jobs.webhook_retry), kPositiveDuration},

    Key{"download.mirrors", "Addresses of model hubs that are tried before the usual one (`$HF_ENDPOINT`, else `https://huggingface.co`).", IN_CONFIG(download.mirrors)},
    Key{"download.max_bytes", "Largest file that is downloaded.", IN_CONFIG(download.max_bytes), {1, 1e13}},
    Key{"download.timeout_ms", "A download of a model that takes longer is stopped; the next one goes on where it was.", IN_CONFIG(download.timeout), kPositiveDuration},
    Key{"download.stall_timeout_ms", "A source that sends less than a kilobyte a second for this long is asked anew, then given up. Whole seconds.", IN_CONFIG(download.stall_timeout), {1000, kMaxMilliseconds}},

    Key{"models.*.provider", "Engine that runs the model (`hotmic providers` lists them). `auto`: the first that recognizes the file, or the best this machine has.", IN_MODEL(provider)},
    Key{"models.*.path", "Model file or folder; or the name of a model that `hotmic pull list` shows, which is downloaded when it is not here. Empty: the best found in `models_dir`, else the model that comes with a provider. In a file, relative to that file's folder.", IN_MODEL(path)},
    Key{"models.*.sha256", "Digest the model file must have. Empty: not checked.", IN_MODEL(sha256)},
    Key{"models.*.aliases", "Further names clients may use. `whisper-1` is what OpenAI's clients ask for; only the default model has it without being told.", IN_MODEL(aliases), kAny, kFree, false, Effect::restart},
    Key{"models.*.required", "The server is ready only while this model, or a fallback of it, is READY. A model that loads on demand and rests does not hold the server back.", IN_MODEL(required), kAny, kFree, false, Effect::restart},
    Key{"models.*.load", "When: `start`, with the server; `demand`, when it is first asked for.", IN_MODEL(load), kAny, kLoad, false, Effect::restart},
    Key{"models.*.fallback", "Names of models that serve while this one cannot, best first.", IN_MODEL(fallback), kAny, kFree, false, Effect::restart},
    Key{"models.*.swap", "How a changed section takes effect: `beside`, the new model is made ready while the old one serves; `replace`, the old one is unloaded first; `auto`, beside where memory allows it.", IN_MODEL(swap), kAny, kSwap, false, Effect::none},
    Key{"models.*.idle_unload_ms", "Unloaded after this long without a request; the next request loads it again. 0: never.", IN_MODEL(lifecycle.idle_unload), kDuration},
    Key{"models.*.slots", "Requests recognized at once. 0: the provider decides for this machine.", IN_MODEL(slots), {0, 256}},
    Key{"models.*.threads", "Threads per slot. 0: the provider decides for this machine.", IN_MODEL(threads), {0, 1024}},
    Key{"models.*.backend", "What to compute on: `auto`, `cpu`, `gpu`, or a device name that `hotmic providers` shows.", IN_MODEL(backend)},
    Key{"models.*.quantize", "How `onnx` holds weights: `int8`, or `none`, which takes four times the memory and twice the time.", IN_MODEL(quantize), kAny, kQuantize},
    Key{"models.*.flash_attention", "Use fused attention where the engine has it.", IN_MODEL(flash_attention)},
    Key{"models.*.max_best_of", "Most candidates a request may sample; warmed, so that it costs nothing later.", IN_MODEL(max_best_of), {1, 8}},
    Key{"models.*.max_beam_size", "Widest beam a request may ask for; warmed likewise.", IN_MODEL(max_beam_size), {1, 8}},
    Key{"models.*.beam_size", "How many hypotheses a search keeps, for requests that do not say it. 0: greedy. At most `max_beam_size`.", IN_MODEL(lifecycle.beam_size), {0, 8}},
    Key{"models.*.hotwords", "Phrases that are likely to be said, for requests that name none: names, terms; `phrase` or `phrase:boost`. A streaming transducer prefers them where they may have been said; Whisper is given them as its prompt.", IN_MODEL(hotwords)},
    Key{"models.*.text_case", "Letters of a streaming transducer's text: `model`, as its vocabulary has them; `lower`; `upper`.", IN_MODEL(text_case), kAny, kTextCase},
    Key{"models.*.isolate", "Run the engine in a worker process, so that a crash or hang of it is an error and not the end.", IN_MODEL(isolate)},
    Key{"models.*.language", "What is spoken, for requests that do not say it: an ISO 639-1 code or an English name. Empty: it is detected, also where a request says `auto`.", IN_MODEL(lifecycle.language)},
    Key{"models.*.languages", "Languages that detection chooses among, for requests that name none. Empty: all that the model knows.", IN_MODEL(lifecycle.languages)},
    Key{"models.*.load_timeout_ms", "A load that takes longer is stopped.", IN_MODEL(lifecycle.load_timeout), kPositiveDuration},
    Key{"models.*.stall_timeout_ms", "A load that makes no progress for this long is stopped.", IN_MODEL(lifecycle.stall_timeout), kPositiveDuration},
    Key{"models.*.drain_timeout_ms", "Unloading waits this long for requests under way, then cancels them.", IN_MODEL(lifecycle.drain_timeout), kDuration},
    Key{"models.*.cancel_grace_ms", "Cancelled requests get this long to stop, then the engine is ended.", IN_MODEL(lifecycle.cancel_grace), kDuration},
    Key{"models.*.max_waiting", "Requests that may wait for a slot; more are answered with 429.", IN_MODEL(lifecycle.max_waiting), {0, 1'000'000}},
    Key{"models.*.queue_timeout_ms", "Longest wait for a slot.", IN_MODEL(lifecycle.queue_timeout), kPositiveDuration},
    Key{"models.*.request_timeout_ms", "Longest inference of one request, apart from what its audio adds.", IN_MODEL(lifecycle.request_timeout), kPositiveDuration},
    Key{"models.*.request_timeout_factor", "Added to that: as many times the length of the audio, as it is read.", IN_MODEL(lifecycle.request_timeout_factor), {0, 1000}},

    Key{"models.*.warmup.level", "0: none. 1: one short inference, its text checked. 2: also full-length speech and every path that allocates on first use. 3: also all slots at once until latency is steady.", IN_MODEL(lifecycle.warmup.level), {0, 3}},
    Key{"models.*.warmup.validate", "How strictly level 1 looks at the text: any answer will do, it must be well formed, or it must be close to the known one.", IN_MODEL(lifecycle.warmup.validate), kAny, kValidate},
    Key{"models.*.warmup.max_word_error_rate", "Of level 1's text against the clip's, for `validate = \"transcribes\"`.", IN_MODEL(lifecycle.warmup.max_word_error_rate), {0, 1}},
    Key{"models.*.warmup.clip", "Recording of speech, at most a minute, that is inferred instead of the built-in English one. In a file, relative to that file's folder.", IN_MODEL(lifecycle.warmup.clip)},
    Key{"models.*.warmup.clip_text", "What is said in `clip`. Empty: level 1 has nothing to compare with.", IN_MODEL(lifecycle.warmup.clip_text)},
    Key{"models.*.warmup.level2.min_duration_ms", "Level 2 infers at least this long.", IN_MODEL(lifecycle.warmup.level2_min_duration), kDuration},
    Key{"models.*.warmup.level3.iterations", "Rounds of level 3, in each of which every slot takes every length, at least.", IN_MODEL(lifecycle.warmup.level3_iterations), {1, 10'000}},
    Key{"models.*.warmup.level3.min_duration_ms", "Level 3 infers at least this long.", IN_MODEL(lifecycle.warmup.level3_min_duration), kDuration},
    Key{"models.*.warmup.budget_ms", "All levels together; level 1 and one inference of level 2 always run.", IN_MODEL(lifecycle.warmup.budget), kPositiveDuration},
    Key{"models.*.warmup.timeout_ms", "A warmup that takes longer has failed.", IN_MODEL(lifecycle.warmup.timeout), kPositiveDuration},
    Key{"models.*.warmup.ready_if.rtf_p95_below", "Ready only if inference time ÷ audio time is below this (95th percentile of the last level).", IN_MODEL(lifecycle.warmup.ready_if.rtf_p95_below), {0.001, 1000}},
    Key{"models.*.warmup.ready_if.latency_p95_below_ms", "Ready only if latency is below this (95th percentile of the last level).", IN_MODEL(lifecycle.warmup.ready_if.latency_p95_below), kPositiveDuration},
    Key{"models.*.warmup.ready_if.or_degraded", "A model that misses these targets is READY all the same; health says degraded, with the figures.", IN_MODEL(lifecycle.warmup.ready_if.or_degraded)},

    Key{"models.*.retry.max_attempts", "Attempts in a row, the first included; then there are pauses as after a crash loop, with one attempt after each. 1: never tries again.", IN_MODEL(lifecycle.retry.max_attempts), {1, 1000}},
    Key{"models.*.retry.initial_backoff_ms", "Wait before the second attempt; doubled before each further one.", IN_MODEL(lifecycle.retry.initial_backoff), kDuration},
    Key{"models.*.retry.max_backoff_ms", "Longest wait between two attempts.", IN_MODEL(lifecycle.retry.max_backoff), kDuration},
    Key{"models.*.retry.jitter", "Each wait is scaled by a random factor between 1 − jitter and 1 + jitter.", IN_MODEL(lifecycle.retry.jitter), {0, 1}},

    Key{"models.*.supervise.heartbeat_timeout_ms", "A worker that answers nothing for this long is hung, and treated as dead. 0: it is never asked.", IN_MODEL(lifecycle.supervise.heartbeat_timeout), kDuration},
    Key{"models.*.supervise.crash_loop_deaths", "This many deaths within the window end the recovery: the model is tried once more after a pause as long as the window, then after ever longer ones; when its file changes or an operator asks, at once.", IN_MODEL(lifecycle.supervise.crash_loop_deaths), {1, 1000}},
    Key{"models.*.supervise.crash_loop_window_ms", "The window of `crash_loop_deaths`.", IN_MODEL(lifecycle.supervise.crash_loop_window), kPositiveDuration},
    Key{"models.*.supervise.hang_factor", "An inference that takes longer than this many times what the warmup measured for as much audio hangs: it is ended, and the model is loaded again. 0: only `request_timeout_ms` ends one.", IN_MODEL(lifecycle.supervise.hang_factor), {0, 1000}},
    Key{"models.*.supervise.hang_least_ms", "No inference hangs before it has taken this long.", IN_MODEL(lifecycle.supervise.hang_least), kPositiveDuration},
    Key{"models.*.supervise.poison_refusal_ms", "A request under which the model died twice is refused for this long when it comes again.", IN_MODEL(lifecycle.supervise.poison_refusal), kDuration},
    Key{"models.*.supervise.canary_interval_ms", "An idle model proves itself by an inference this often. 0: only after the engine has failed a request.", IN_MODEL(lifecycle.supervise.canary_interval), kDuration},
    Key{"models.*.supervise.canary_latency_factor", "A canary inference slower than this many times the warm latency counts as failed.", IN_MODEL(lifecycle.supervise.canary_latency_factor), {1, 1000}},
    Key{"models.*.supervise.file_check_interval_ms", "While a permanent error stands, the model file is looked at this often; a changed one is tried.", IN_MODEL(lifecycle.supervise.file_check_interval), kPositiveDuration},
};
// clang-format on
#undef IN_CONFIG
#undef IN_MODEL

}  // namespace

std::span<const Key> keys() noexcept {
    return kKeys;
}
std::span<const Section> sections() noexcept {
    return kSections;
}

const Section& section_of(const Key& key) noexcept {
    const Section* best = &kSections.front();
    for (const auto& section : kSections) {
        const auto& path = section.path;
        const bool holds = key.path.starts_with(path) && key.path.size() > path.size() && key.path[path.size()] == '.';
        if (holds && path.size() > best->path.size()) best = &section;
    }
    return *best;
}

std::string path_of(string_view pattern, string_view model) {
    std::string path(pattern);
    if (const auto star = path.find('*'); star != std::string::npos) path.replace(star, 1, model);
    return path;
}

std::string variable_of(string_view path) {
    std::string name = "HOTMIC_";
    for (const char c : path) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        name += plain ? static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c) : '_';
    }
    return name;
}

}  // namespace hotmic::config
