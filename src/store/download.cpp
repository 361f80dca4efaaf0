#include "store/download.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/descriptor.hpp"
#include "store/digest.hpp"
#include "store/hasher.hpp"
#include "store/transfer.hpp"
#include "system/mutex.hpp"
#include "text/human_size.hpp"
#include "text/json.hpp"
#include "text/sha256.hpp"

namespace hotmic::store {
namespace wire {

/// Beside a file that is not whole yet: what it is a part of.
struct Origin {
    std::string url;
    std::string etag;
};

}  // namespace wire

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Kind = Failed::Kind;
using std::chrono::milliseconds;

// What comes is written in larger pieces than it comes in, which costs half as much, and hashed in still larger ones.
constexpr std::size_t kWritten = 256 << 10;
constexpr std::size_t kHashed = 1 << 20;
constexpr std::uint64_t kSynced = 4 << 20;
/// What comes slowly is not kept back for longer: the next try goes on with what is written.
constexpr milliseconds kKeptBack{200};

std::unexpected<Failed> here(Error error) {
    return std::unexpected(Failed{Kind::here, std::move(error)});
}

class Download {
public:
    Download(Transfer& transfer, const Wanted& wanted, const fs::path& part, const Limits& limits,
             Clock::time_point until, const Heard& heard, const std::stop_token& stop)
        : transfer_(transfer),
          wanted_(wanted),
          part_(part),
          origin_file_(fs::path(part) += ".origin"),
          limits_(limits),
          until_(until),
          heard_(heard),
          stop_(stop) {}

    std::expected<Fetched, Failed> run() {
        if (auto opened = open(); !opened) return std::unexpected(std::move(opened).error());
        int fruitless = 0;
        bool discarded = false;
        while (true) {
            const auto before = have_;
            auto outcome = whole() ? std::expected<void, Failed>{} : once();
            if (outcome) outcome = check();
            if (outcome) return finish();
            auto failed = std::move(outcome).error();
            if (failed.error.code == ErrorCode::disk_full) discard();
            if (failed.kind == Kind::here) return std::unexpected(std::move(failed));
            const bool of_no_use =
                failed.kind == Kind::range || (failed.error.code == ErrorCode::checksum_mismatch && resumed_);
            if (of_no_use && !std::exchange(discarded, true)) {
                discard();
                if (auto opened = open(); !opened) return std::unexpected(std::move(opened).error());
                continue;
            }
            if (failed.error.code == ErrorCode::checksum_mismatch) discard();
            if (failed.kind == Kind::refused || of_no_use) return std::unexpected(std::move(failed));
            fruitless = have_ > before ? 0 : fruitless + 1;
            const auto pause = failed.retry_after ? milliseconds(*failed.retry_after)
                                                  : limits_.backoff * (1 << std::min(fruitless, 4));
            const int most = failed.unreachable && !have_ ? std::min(2, limits_.attempts) : limits_.attempts;
            if (fruitless >= most || pause > limits_.patience) return std::unexpected(std::move(failed));
            if (fruitless == 0) continue;
            if (!wait(pause, until_, [this] { heard_(have_); }, stop_)) {
                if (stop_.stop_requested()) return here({ErrorCode::load_cancelled, "the download was cancelled"});
                return std::unexpected(std::move(failed));
            }
        }
    }

private:
    /// Takes up what an earlier try has left.
    std::expected<void, Failed> open() {
        file_ = Descriptor(::open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        if (!file_) return here(write_error(part_, errno));
        forget();
        have_ = {};
        etag_.clear();
        wire::Origin origin;
        if (std::ifstream stream(origin_file_); stream) {
            const std::string text{std::istreambuf_iterator<char>(stream), {}};
            if (glz::read_json(origin, text)) origin = {};
        }
        if (origin.url == wanted_.url) etag_ = origin.etag;
        // Without a tag of the server's nor a digest nobody could tell that the rest belongs to it.
        if (etag_.empty() && wanted_.digest.empty()) return empty();
        Sha256 digest;
        auto read = read_into(digest, part_, [this](Bytes so_far) { heard_(so_far); }, stop_);
        if (!read) return here(std::move(read).error());
        digest_.begin(std::move(digest), read->count());
        have_ = *read;
        resumed_ = static_cast<bool>(have_);
        if (wanted_.size && have_ > wanted_.size) return empty();
        if (::lseek(file_.get(), 0, SEEK_END) < 0) return here(write_error(part_, errno));
        return {};
    }

    std::expected<void, Failed> empty() {
        if (::ftruncate(file_.get(), 0) != 0 || ::lseek(file_.get(), 0, SEEK_SET) != 0)
            return here(write_error(part_, errno));
        forget();
        have_ = {};
        resumed_ = false;
        return {};
    }

    void forget() {
        digest_.begin();
        piece_.clear();
        written_ = 0;
        synced_ = 0;
    }

    void discard() {
        forget();  // so that nothing is done with the file beside
        file_ = {};
        std::error_code ignored;
        fs::remove(part_, ignored);
        fs::remove(origin_file_, ignored);
    }

    [[nodiscard]] bool whole() const { return wanted_.size && have_ == wanted_.size; }

    std::expected<void, Failed> once() {
        total_.reset();
        const Ask ask{.url = wanted_.url,
                      .from = have_.count(),
                      .if_range = etag_,
                      .token = wanted_.token,
                      .stall = limits_.stall,
                      .until = until_};
        auto ended = transfer_.run(
            ask, [this](const Reply& reply) { return begin(reply); },
            [this](std::span<const char> bytes) { return take(bytes); }, [this] { heard_(have_); }, stop_);
        if (auto settled = settle(); !settled) return settled;
        if (!ended) return ended;
        if (total_ && have_ < *total_) {
            return std::unexpected(
                Failed{Kind::again,
                       {ErrorCode::download_failed,
                        std::format("{} sent {} of {} bytes", host_of(wanted_.url), have_.count(), total_->count()),
                        "try again"}});
        }
        return {};
    }

    std::expected<void, Failed> begin(const Reply& reply) {
        if (reply.begins_at != have_.count()) {
            if (reply.begins_at != 0) {
                return std::unexpected(
                    Failed{Kind::range,
                           {ErrorCode::download_failed, std::format("{} sends from byte {} on, asked for was {}",
                                                                    reply.host, reply.begins_at, have_.count())}});
            }
            if (auto done = empty(); !done) return done;  // it has changed there, or is never sent in parts
        }
        total_ = reply.total;
        const auto refuse = [&](std::string what, std::string remedy) {
            return std::unexpected(
                Failed{Kind::refused, {ErrorCode::download_refused, std::move(what), std::move(remedy)}});
        };
        if (total_ && wanted_.size && *total_ != wanted_.size) {
            return refuse(std::format("{} has a file of {} bytes, which should have {}", reply.host, total_->count(),
                                      wanted_.size.count()),
                          "it is another version of the model, or a page in its place; take another source");
        }
        if (total_.value_or(Bytes()) > limits_.max_size) return refuse_size(*total_);
        if (total_) {
            if (auto fits = check_space(part_.parent_path(), *total_ - have_); !fits)
                return here(std::move(fits).error());
        }
        etag_ = reply.etag;
        if (auto kept = replace_file(origin_file_, to_json(wire::Origin{wanted_.url, etag_})); !kept)
            return here(std::move(kept).error());
        return {};
    }

    std::unexpected<Failed> refuse_size(Bytes size) const {
        return std::unexpected(Failed{Kind::refused,
                                      {ErrorCode::download_refused,
                                       std::format("{} has {} or more, over the limit of {}", host_of(wanted_.url),
                                                   precise_size(size), precise_size(limits_.max_size)),
                                       "raise download.max_bytes if this is the model that you want"}});
    }

    std::expected<void, Failed> take(std::span<const char> bytes) {
        const auto most = total_ ? *total_ : wanted_.size ? wanted_.size : limits_.max_size;
        have_ += Bytes(bytes.size());
        if (have_ > most) {
            if (!wanted_.size) return refuse_size(have_);
            return std::unexpected(Failed{
                Kind::refused,
                {ErrorCode::download_refused,
                 std::format("{} sends more than the {} bytes that the file has", host_of(wanted_.url), most.count()),
                 "take another source"}});
        }
        piece_.append_range(bytes);
        heard_(have_);
        if (piece_.size() >= kHashed) return settle();
        if (piece_.size() - written_ >= kWritten || Clock::now() >= write_by_) return write();
        return {};
    }

    std::expected<void, Failed> write() {
        const auto written = write_all(file_, std::span(piece_).subspan(written_), part_);
        if (!written) {
            piece_.clear();  // of which nobody knows how much is in the file
            written_ = 0;
            return here(written.error());
        }
        written_ = piece_.size();
        write_by_ = Clock::now() + kKeptBack;
        return {};
    }

    /// All that has come is written, and goes into the digest.
    std::expected<void, Failed> settle() {
        if (piece_.empty()) return {};
        if (auto written = write(); !written) return written;
        digest_.take(piece_);
        written_ = 0;
        return {};
    }

    /// So that the disk is busy meanwhile, and little is left for the end. On the hasher's thread.
    void begin_to_sync(std::uint64_t begin, std::uint64_t size) {
        if (begin + size < synced_ + kSynced) return;
        (void)::sync_file_range(file_.get(), static_cast<off64_t>(synced_),
                                static_cast<off64_t>(begin + size - synced_), SYNC_FILE_RANGE_WRITE);
        synced_ = begin + size;
    }

    std::expected<void, Failed> check() {
        if (wanted_.size && have_ != wanted_.size) {
            return std::unexpected(Failed{
                Kind::again,
                {ErrorCode::download_failed,
                 std::format("{} sent {} of {} bytes", host_of(wanted_.url), have_.count(), wanted_.size.count()),
                 "try again"}});
        }
        if (wanted_.digest.empty() || digest_.hex() == wanted_.digest) return {};
        return std::unexpected(
            Failed{Kind::refused,
                   {ErrorCode::checksum_mismatch,
                    std::format("what {} sent has the SHA-256 {}, but {} was expected", host_of(wanted_.url),
                                digest_.hex(), wanted_.digest),
                    "nothing of it is kept; take another source, and if you expected another version, its digest"}});
    }

    std::expected<Fetched, Failed> finish() {
        if (::fsync(file_.get()) != 0) return here(write_error(part_, errno));
        std::error_code ignored;
        fs::remove(origin_file_, ignored);
        return Fetched{have_, digest_.hex()};
    }

    Transfer& transfer_;
    const Wanted& wanted_;
    const fs::path part_;
    const fs::path origin_file_;
    const Limits& limits_;
    const Clock::time_point until_;
    const Heard& heard_;
    const std::stop_token& stop_;

    Descriptor file_{};
    std::uint64_t synced_ = 0;  // the hasher's, as is the next
    Hasher digest_{[this](std::uint64_t begin, std::uint64_t size) { begin_to_sync(begin, size); }};
    Bytes have_;
    std::vector<char> piece_{};  // what has come last
    std::size_t written_ = 0;    // of it
    Clock::time_point write_by_{};
    std::string etag_{};
    std::optional<Bytes> total_{};
    bool resumed_ = false;  // some of it is of an earlier try
};

}  // namespace

std::expected<Fetched, Failed> download(Transfer& transfer, const Wanted& wanted, const fs::path& part,
                                        const Limits& limits, Clock::time_point until, const Heard& heard,
                                        const std::stop_token& stop) {
    return Download(transfer, wanted, part, limits, until, heard, stop).run();
}

Result<void> check_space(const fs::path& folder, Bytes size) {
    struct statvfs disk{};
    if (::statvfs(folder.c_str(), &disk) != 0) return {};  // writing will tell
    const auto available = Bytes(disk.f_bavail) * disk.f_frsize;
    if (available >= size + kSpare) return {};
    return fail(ErrorCode::disk_full,
                std::format("{} more are needed, and {} are free for {}", precise_size(size), precise_size(available),
                            folder.string()),
                "free space there, or set models_dir to a folder on a larger disk");
}

bool wait(milliseconds how_long, Clock::time_point until, const std::function<void()>& beat,
          const std::stop_token& stop) {
    Mutex mutex;
    StoppableCondition never;
    Lock lock(mutex);
    const auto end = std::min(Clock::now() + how_long, until);
    while (Clock::now() < end && !stop.stop_requested()) {
        never.wait_until(lock, stop, std::min(end, Clock::now() + milliseconds(500)), [] { return false; });
        if (beat) beat();
    }
    return !stop.stop_requested() && Clock::now() < until;
}

}  // namespace hotmic::store
