#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "audio/budget.hpp"
#include "audio/byte_stream.hpp"
#include "audio/container.hpp"
#include "audio/media_source.hpp"
#include "audio/parts.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"

namespace hotmic {
namespace audio {
namespace {

/// Opens the file once more from its beginning.
using Reopen = std::function<Result<std::unique_ptr<ByteStream>>()>;

/// How much of a track is heard before another is tried because it is silent, and what silence is: -66 dBFS.
constexpr std::size_t kListen = 20 * kSampleRate;
constexpr float kSilent = 5e-4F;

bool sounds(AudioView samples) {
    return std::ranges::any_of(samples, [](float sample) { return std::abs(sample) > kSilent; });
}

/// One recording of a file.
class Opening {
public:
    Opening(Reopen reopen, std::shared_ptr<Budget> budget, const TrackChoice& choice)
        : reopen_(std::move(reopen)), budget_(std::move(budget)), choice_(choice) {}

    /// The track that fits best among those that can be heard.
    Result<std::unique_ptr<MediaSource>> open(const Part& part, Seconds max_length) {
        auto best = open_track(part, 0, max_length);
        if (!best || tracks_ < 2) return best;
        for (std::size_t place = 0; place < tracks_; ++place) {
            // Listening uses a source up, so each is opened for it.
            auto heard = open_track(part, place, max_length);
            std::vector<float> samples(kListen);
            const auto got = heard ? (*heard)->read(samples) : Result<std::size_t>(0);
            if (!got || !sounds(std::span(samples).first(*got))) continue;
            if (place == 0) return best;
            const auto passed = *(*best)->track();
            best = open_track(part, place, max_length);
            if (best) spdlog::info("audio: track {} is silent; {} is heard", passed.number, (*best)->track()->number);
            return best;
        }
        return best;
    }

private:
    Result<std::unique_ptr<MediaSource>> open_track(const Part& part, std::size_t place, Seconds max_length) {
        const Budget::Spending spending(*budget_);
        auto stream = reopen_();
        if (!stream) return std::unexpected(std::move(stream).error());
        auto container = Container::open(part_of(*std::move(stream), part), *budget_, choice_.language, place);
        if (!container) return std::unexpected(std::move(container).error());
        tracks_ = (*container)->playable();
        return MediaSource::open(*std::move(container), budget_, max_length, choice_.channel);
    }

    const Reopen reopen_;
    const std::shared_ptr<Budget> budget_;
    const TrackChoice choice_;
    std::size_t tracks_ = 0;
};

/// The recordings of a file one after the other.
class FileSource final : public AudioSource {
public:
    FileSource(Opening opening, std::vector<Part> parts, std::unique_ptr<MediaSource> first, Seconds max_length)
        : opening_(std::move(opening)),
          parts_(std::move(parts)),
          current_(std::move(first)),
          track_(current_->track()),
          max_length_(max_length) {}

    Result<std::size_t> read(std::span<float> out) override {
        std::size_t written = 0;
        while (written < out.size() && current_) {
            const auto got = current_->read(out.subspan(written));
            if (!got) return got;
            sounded_ = sounded_ || sounds(out.subspan(written, *got));
            written += *got;
            produced_ += *got;
            if (written == out.size()) break;
            if (auto next = go_on(); !next) return std::unexpected(std::move(next).error());
        }
        return written;
    }

    [[nodiscard]] std::optional<Seconds> duration_hint() const override {
        return parts_.size() == 1 ? hint_ : std::nullopt;
    }
    [[nodiscard]] std::string damage() const override {
        const auto now = current_ ? current_->damage() : std::string{};
        return damage_.empty() || now.empty() ? damage_ + now : damage_ + "; " + now;
    }
    [[nodiscard]] std::optional<AudioTrack> track() const override { return track_; }

private:
    void lose(const std::string& what) {
        if (what.empty()) return;
        damage_ += (damage_.empty() ? "" : "; ") + what;
    }

    /// To the next recording, if there is one that can be heard.
    Result<void> go_on() {
        lose(current_->damage());
        current_.reset();
        while (!current_ && ++at_ < parts_.size()) {
            auto next = opening_.open(parts_[at_], max_length_ - seconds_of(produced_));
            if (next) {
                current_ = *std::move(next);
                continue;
            }
            const auto code = next.error().code;
            if (code != ErrorCode::audio_undecodable && code != ErrorCode::audio_empty &&
                code != ErrorCode::audio_no_track)
                return std::unexpected(std::move(next).error());
            lose(std::format("what follows from byte {} on is lost ({})", parts_[at_].begin, next.error().message));
            spdlog::warn("audio: {}", damage_);
        }
        if (!current_ && !sounded_ && track_ && track_->of > 1) {
            lose(std::format("track {} of {} is silent", track_->number, track_->of));
            spdlog::warn("audio: {}", damage_);
        }
        return {};
    }

    Opening opening_;
    const std::vector<Part> parts_;
    std::size_t at_ = 0;                    // in `parts_`
    std::unique_ptr<MediaSource> current_;  // null at the end
    const std::optional<AudioTrack> track_;
    const std::optional<Seconds> hint_ = current_->duration_hint();
    const Seconds max_length_;
    std::size_t produced_ = 0;
    bool sounded_ = false;
    std::string damage_;
};

Result<std::unique_ptr<AudioSource>> open_file(const Reopen& reopen, const DecodeLimits& limits,
                                               const TrackChoice& choice) {
    auto stream = reopen();
    if (!stream) return std::unexpected(std::move(stream).error());
    if ((*stream)->size() == 0)
        return fail(ErrorCode::audio_empty, "the audio has 0 bytes", "send a file with content", "file");
    auto parts = parts_of(**stream);
    Opening opening(reopen, std::make_shared<Budget>(limits), choice);
    auto first = opening.open(parts.front(), limits.max_length);
    if (!first) return std::unexpected(std::move(first).error());
    const auto track = *(*first)->track();
    if (track.of > 1)
        spdlog::info("audio: track {} of {} is heard, language=\"{}\"", track.number, track.of, track.language);
    return std::make_unique<FileSource>(std::move(opening), std::move(parts), *std::move(first), limits.max_length);
}

}  // namespace
}  // namespace audio

Result<std::unique_ptr<AudioSource>> open_media(std::shared_ptr<const std::vector<std::byte>> bytes,
                                                const DecodeLimits& limits, const TrackChoice& choice) {
    return audio::open_file(
        [bytes = std::move(bytes)]() -> Result<std::unique_ptr<audio::ByteStream>> { return audio::stream_of(bytes); },
        limits, choice);
}

Result<std::unique_ptr<AudioSource>> open_media(std::shared_ptr<const MediaBytes> bytes, const DecodeLimits& limits,
                                                const TrackChoice& choice) {
    return audio::open_file(
        [bytes = std::move(bytes)]() -> Result<std::unique_ptr<audio::ByteStream>> { return audio::stream_of(bytes); },
        limits, choice);
}

Result<std::unique_ptr<AudioSource>> open_media_file(const std::filesystem::path& path, const DecodeLimits& limits,
                                                     const TrackChoice& choice) {
    return audio::open_file([path] { return audio::stream_of_file(path); }, limits, choice);
}

}  // namespace hotmic
