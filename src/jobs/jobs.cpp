#include "jobs/jobs.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "jobs/deliverer.hpp"
#include "jobs/job.hpp"
#include "jobs/job_store.hpp"
#include "jobs/outbound.hpp"
#include "jobs/recordings.hpp"
#include "jobs/runner.hpp"
#include "jobs/signature.hpp"
#include "store/descriptor.hpp"
#include "system/mutex.hpp"
#include "text/json.hpp"
#include "text/sha256.hpp"

namespace hotmic::jobs {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kFetchTimeout = std::chrono::hours(2);
constexpr milliseconds kHousekeeping = std::chrono::seconds(60);
constexpr std::size_t kPiece = 1 << 20;

Result<void> each_piece(const MediaBytes& media, const std::function<Result<void>(std::span<const char>)>& take) {
    std::vector<char> piece(kPiece);
    for (std::uint64_t at = 0; at < media.size();) {
        const auto got = media.read(at, std::as_writable_bytes(std::span(piece)));
        if (got <= 0) return fail(ErrorCode::io_error, "an upload can no longer be read", "check the disk (dmesg)");
        if (auto taken = take(std::span(piece).first(static_cast<std::size_t>(got))); !taken) return taken;
        at += static_cast<std::uint64_t>(got);
    }
    return {};
}

/// Of what was asked; who asks under a key that was not used before has no need of it.
Result<std::string> fingerprint_of(const Job& asked, const MediaBytes* media) {
    if (asked.idempotency_key.empty()) return "";
    Sha256 digest;
    digest.update(to_json(std::tuple(asked.task, asked.fields, asked.url, asked.webhook.url)));
    if (media != nullptr) {
        auto read = each_piece(*media, [&](std::span<const char> piece) -> Result<void> {
            digest.update(piece);
            return {};
        });
        if (!read) return std::unexpected(std::move(read).error());
    }
    return digest.hex();
}

/// Errors: job_database_unusable, io_error.
Result<store::Descriptor> take_lock(const fs::path& dir) {
    const auto path = dir / "lock";
    store::Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock) {
        return fail(ErrorCode::io_error, std::format("{} cannot be written: {}", path.string(), std::strerror(errno)),
                    "set jobs.dir to a folder that may be written", "jobs.dir");
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        return fail(ErrorCode::job_database_unusable, std::format("another hotmic works in {}", dir.string()),
                    "stop it, or set jobs.dir to another folder", "jobs.dir");
    }
    return lock;
}

}  // namespace

Result<std::unique_ptr<Jobs>> Jobs::open(Options options) {
    std::string key;
    if (!options.webhook_secret.empty()) {
        auto decoded = webhook_key(options.webhook_secret);
        if (!decoded) return std::unexpected(std::move(decoded).error());
        key = *std::move(decoded);
    } else if (!options.webhook_hosts.empty()) {
        return fail(ErrorCode::config_invalid, "jobs.webhook_hosts is set but jobs.webhook_secret is not",
                    "make one: echo whsec_$(openssl rand -base64 32)", "jobs.webhook_secret");
    }
    std::error_code ignored;
    fs::create_directories(options.dir.parent_path(), ignored);
    if (::mkdir(options.dir.c_str(), 0700) != 0 && errno != EEXIST) {
        return fail(errno == ENOSPC ? ErrorCode::disk_full : ErrorCode::io_error,
                    std::format("{} cannot be made: {}", options.dir.string(), std::strerror(errno)),
                    "set jobs.dir to a folder that may be written", "jobs.dir");
    }
    auto lock = take_lock(options.dir);
    if (!lock) return std::unexpected(std::move(lock).error());
    auto recordings = Recordings::open(options.dir / "recordings");
    if (!recordings) return std::unexpected(std::move(recordings).error());
    auto store = JobStore::open(options.dir / "jobs.db", options.limits);
    if (!store) return std::unexpected(std::move(store).error());
    const auto ended = (*store)->recover(options.now());
    if (!ended) return std::unexpected(ended.error());
    for (const auto& job : *ended)
        spdlog::warn("job ended at the start job={} status={}", job.id, to_string(job.status));
    const auto wanted = (*store)->unfinished();
    if (!wanted) return std::unexpected(wanted.error());
    recordings->sweep(*wanted);
    spdlog::info("jobs dir={:?} unfinished={}", options.dir.string(), wanted->size());
    return std::unique_ptr<Jobs>(
        new Jobs(std::move(options), *std::move(lock), *std::move(recordings), *std::move(store), std::move(key)));
}

Jobs::Jobs(Options options, store::Descriptor lock, Recordings recordings, std::unique_ptr<JobStore> store,
           std::string key)
    : options_(std::move(options)),
      lock_(std::move(lock)),
      recordings_(std::move(recordings)),
      store_(std::move(store)),
      key_(std::move(key)),
      deliverer_(
          *store_, options_.webhook_retry,
          [this](const Message& message, Time now, const std::stop_token& stop) { return send(message, now, stop); }),
      runner_(*store_, recordings_, options_.now) {}

Jobs::~Jobs() = default;

void Jobs::start(Runner::Recognize recognize) {
    house_ = std::jthread([this](const std::stop_token& stop) { keep_house(stop); });
    runner_.start(options_.parallel,
                  {.fetch = [this](const Job& job, const std::stop_token& stop) { return fetch(job, stop); },
                   .recognize = std::move(recognize),
                   .changed = [this] { stir(); }});
}

void Jobs::stop() {
    runner_.stop();
    house_.request_stop();
}

void Jobs::stir() {
    const Lock lock(mutex_);
    stir_ = true;
    stirred_.notify_all();
}

/// Tells who wants to know, and forgets what was kept long enough.
void Jobs::keep_house(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        {
            const Lock lock(mutex_);
            stir_ = false;
        }
        auto wait = kHousekeeping;
        const auto note = [&](const Error& error) {
            spdlog::error("jobs cannot be kept in order code={} message={:?}", hotmic::to_string(error.code),
                          error.message);
        };
        if (const auto expired = store_->expire(options_.now() - options_.keep); !expired)
            note(expired.error());
        else if (*expired > 0)
            spdlog::info("jobs forgotten count={}", *expired);
        const auto next = deliverer_.deliver_due(options_.now, stop);
        if (!next)
            note(next.error());
        else if (*next)
            wait = std::clamp(std::chrono::ceil<milliseconds>(**next - options_.now()), milliseconds(1), wait);
        auto figures = store_->figures();
        if (!figures) note(figures.error());
        Lock lock(mutex_);
        if (figures) figures_ = *std::move(figures);
        stirred_.wait_for(lock, stop, wait, [&] HOTMIC_REQUIRES(mutex_) { return stir_; });
    }
}

Result<void> Jobs::check_recording_url(const std::string& url) const {
    return check_url(url, options_.url_hosts, "jobs.url_hosts", "url");
}

Result<void> Jobs::check_webhook(const std::string& url) const {
    return check_url(url, options_.webhook_hosts, "jobs.webhook_hosts", "webhook");
}

Result<JobStore::Added> Jobs::submit(Job asked, const MediaBytes* media) {
    auto fingerprint = fingerprint_of(asked, media);
    if (!fingerprint) return std::unexpected(std::move(fingerprint).error());
    asked.fingerprint = *std::move(fingerprint);
    const Lock one_at_a_time(submitting_);
    auto same = store_->find_same(asked.owner, asked.idempotency_key, asked.fingerprint);
    if (!same) return std::unexpected(std::move(same).error());
    if (*same) return JobStore::Added{.job = **std::move(same), .is_new = false};
    if (auto room = store_->check_room(1, media != nullptr ? Bytes(media->size()) : Bytes()); !room)
        return std::unexpected(std::move(room).error());
    asked.id = new_job_id();
    asked.created = options_.now();
    if (media != nullptr) {
        auto writing = recordings_.write(asked.id);
        if (!writing) return std::unexpected(std::move(writing).error());
        auto written = each_piece(*media, [&](std::span<const char> piece) { return writing->add(piece); });
        if (written) written = writing->finish();
        if (!written) return std::unexpected(std::move(written).error());
        asked.recording_size = Bytes(media->size());
    }
    auto added = store_->add(asked);
    if (!added) {
        recordings_.remove(asked.id);
        return added;
    }
    spdlog::info("job queued job={} bytes={}", asked.id, asked.recording_size.count());
    runner_.wake();
    stir();
    return added;
}

Result<Job> Jobs::find(const Viewer& viewer, const std::string& id) {
    auto job = store_->find(id);
    if (!job) return std::unexpected(std::move(job).error());
    if (!*job || (viewer && (*job)->owner != *viewer)) return no_such_job(id);
    return **std::move(job);
}

Result<std::vector<Job>> Jobs::list(const Viewer& viewer, std::optional<Status> status, const std::string& after,
                                    int most) {
    JobStore::Query query{.owner = viewer, .status = status, .most = most};
    if (!after.empty()) {
        auto job = find(viewer, after);
        if (!job) return std::unexpected(std::move(job).error());
        query.before = job->number;
    }
    return store_->list(query);
}

Result<Answer> Jobs::answer(const Viewer& viewer, const std::string& id) {
    auto job = find(viewer, id);
    if (!job) return std::unexpected(std::move(job).error());
    if (job->status == Status::failed) return std::unexpected(*std::move(job->error));
    if (job->status != Status::succeeded) {
        return fail(ErrorCode::job_not_finished, std::format("job {} is {}", id, to_string(job->status)),
                    job->status == Status::cancelled ? "" : "ask again later, or be told by a webhook", "id");
    }
    auto answer = store_->answer(id);
    if (!answer) return std::unexpected(std::move(answer).error());
    if (!*answer) return no_such_job(id);  // removed meanwhile
    return **std::move(answer);
}

Result<Jobs::Removed> Jobs::cancel_or_remove(const Viewer& viewer, const std::string& id) {
    auto before = find(viewer, id);
    if (!before) return std::unexpected(std::move(before).error());
    if (has_ended(before->status)) {
        if (auto removed = store_->remove(id); !removed) return std::unexpected(std::move(removed).error());
        stir();
        return Removed{.job = *std::move(before), .gone = true};
    }
    auto job = store_->cancel(id, options_.now());
    if (!job) return std::unexpected(std::move(job).error());
    if (job->status == Status::running) {
        runner_.cancel(id);
    } else {
        recordings_.remove(id);
    }
    stir();
    return Removed{.job = *std::move(job)};
}

Jobs::Figures Jobs::figures() const {
    Figures figures{.deliveries = deliverer_.counts()};
    {
        const Lock lock(mutex_);
        figures.kept = figures_;
    }
    if (const auto oldest = figures.kept.oldest_queued)
        figures.oldest_queued = std::max(Seconds{}, Seconds(options_.now() - *oldest));
    return figures;
}

Ran Jobs::fetch(const Job& job, const std::stop_token& stop) {
    const auto failed = [](Error error, bool again) {
        return Ran{std::unexpected(std::move(error)), again ? Again::counted : Again::no};
    };
    const auto most = std::min(options_.max_recording, options_.limits.size);
    if (auto room = store_->check_room(0, most); !room) return {std::unexpected(std::move(room).error()), Again::later};
    auto writing = recordings_.write(job.id);
    if (!writing) return failed(std::move(writing).error(), true);
    const auto status =
        call({.url = job.url,
              .allowed = options_.url_hosts,
              .timeout = kFetchTimeout,
              .take = [&](std::span<const char> bytes) -> Result<void> {
                  if (writing->size() + Bytes(bytes.size()) <= most) return writing->add(bytes);
                  return fail(ErrorCode::body_too_large, std::format("the recording is over {} bytes", most.count()),
                              "raise server.max_body_bytes", "url");
              },
              .stop = stop});
    if (!status) {
        const auto code = status.error().code;
        return failed(status.error(), code != ErrorCode::body_too_large);
    }
    if (*status != 200) {
        return failed({ErrorCode::recording_unreachable, std::format("the URL is answered with status {}", *status),
                       *status / 100 == 3 ? "redirects are not followed: give the URL they lead to" : "", "url"},
                      *status >= 500 || *status == 429);
    }
    if (!writing->size())
        return failed({ErrorCode::audio_empty, "the URL has 0 bytes", "give one of a recording", "url"}, false);
    auto kept = writing->finish();
    if (kept) kept = store_->note_recording(job.id, writing->size());
    if (!kept) return failed(std::move(kept).error(), true);
    return {Answer{}};
}

Result<void> Jobs::send(const Message& message, Time now, const std::stop_token& stop) const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    const auto status =
        call({.url = message.url,
              .allowed = options_.webhook_hosts,
              .headers = {"Content-Type: application/json", "webhook-id: " + message.id,
                          std::format("webhook-timestamp: {}", seconds),
                          "webhook-signature: " + signature_of(key_, message.id, seconds, message.body)},
              .body = message.body,
              .timeout = options_.webhook_timeout,
              .stop = stop});
    if (!status) return std::unexpected(status.error());
    if (*status / 100 == 2) return {};
    return fail(ErrorCode::recording_unreachable, std::format("it is answered with status {}", *status));
}

}  // namespace hotmic::jobs
