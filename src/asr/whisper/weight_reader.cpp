#include "asr/whisper/weight_reader.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <format>
#include <ios>
#include <stop_token>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/units.hpp"

namespace hotmic::whisper {
namespace {

constexpr std::uint64_t kReportEvery = 4 << 20;
/// One read of the engine may be a whole tensor; cancelling and progress need smaller steps.
constexpr std::uint64_t kStep = 1 << 20;

}  // namespace

WeightReader::WeightReader(const std::filesystem::path& path, const FileLayout& file, LoadProgress& progress,
                           std::stop_token stop)
    : name_(path.string()), stream_(path, std::ios::binary), file_(file), progress_(progress), stop_(std::move(stop)) {
    progress_.report({}, Bytes(file_.size_bytes));
}

std::size_t WeightReader::read(char* into, std::size_t count) {
    std::size_t got = 0;
    while (got < count && !ended_) {
        const auto now = read_some(into + got, count - got);
        if (now == 0) ended_ = true;
        got += now;
    }
    std::memset(into + got, 0, count - got);  // the engine uses it whatever we return
    return got;
}

/// Reads on to the next border between skeleton and numbers, or a step.
std::size_t WeightReader::read_some(char* into, std::size_t count) {
    const bool in_tail = extent_ == file_.data.size();
    const auto begin = in_tail ? file_.size_bytes : file_.data[extent_].begin;
    const bool numbers = read_ >= begin && !in_tail;
    // Stopping is safe only between numbers: the engine would build a model of no size from a header of zeros.
    if (numbers && stop_.stop_requested()) stopped_ = true;
    if (stopped_ || read_ == file_.size_bytes) return 0;

    const auto border = numbers ? begin + file_.data[extent_].size : begin;
    const auto wanted = std::min({static_cast<std::uint64_t>(count), border - read_, kStep});
    stream_.read(into, static_cast<std::streamsize>(wanted));
    auto got = static_cast<std::size_t>(stream_.gcount());
    digest_.update({into, got});
    if (!numbers) {
        const auto* checked = file_.skeleton.data() + skeleton_;
        changed_ |= got < wanted || std::memcmp(into, checked, wanted) != 0;
        got = wanted;
        std::memcpy(into, checked, got);
        skeleton_ += got;
    } else if (got == 0) {
        return 0;
    }
    read_ += got;
    if (numbers && read_ == border) ++extent_;
    if (read_ - reported_ >= kReportEvery || read_ == file_.size_bytes) {
        reported_ = read_;
        progress_.report(Bytes(read_), Bytes(file_.size_bytes));
    }
    return got;
}

Result<void> WeightReader::verdict() {
    if (stopped_ || stop_.stop_requested()) return fail(ErrorCode::load_cancelled, "the load was cancelled");
    constexpr const char* kLeaveAlone = "let nothing write to the file, then load again";
    if (stream_.bad()) {
        return fail(ErrorCode::io_error,
                    std::format("reading {} failed after {} of {} bytes", name_, read_, file_.size_bytes),
                    "check the disk (dmesg)", "path");
    }
    if (read_ < file_.size_bytes) {
        return fail(
            ErrorCode::model_truncated,
            std::format("{} became shorter while it was read: {} of {} bytes came", name_, read_, file_.size_bytes),
            kLeaveAlone, "path");
    }
    if (changed_ || stream_.peek() != std::ifstream::traits_type::eof()) {
        return fail(ErrorCode::model_corrupt, std::format("{} was written to while it was read", name_), kLeaveAlone,
                    "path");
    }
    return {};
}

}  // namespace hotmic::whisper
