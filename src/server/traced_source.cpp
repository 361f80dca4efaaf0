#include "server/traced_source.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "tracing/span.hpp"

namespace hotmic::server {
namespace {

class TracedSource final : public AudioSource {
public:
    TracedSource(std::unique_ptr<AudioSource> source, tracing::Span span)
        : source_(std::move(source)), span_(std::move(span)) {}
    TracedSource(const TracedSource&) = delete;
    TracedSource& operator=(const TracedSource&) = delete;
    ~TracedSource() override { end(); }

    Result<std::size_t> read(std::span<float> out) override {
        const auto began = tracing::Clock::now();
        auto got = source_->read(out);
        waited_ += tracing::Clock::now() - began;
        if (got) samples_ += *got;
        if (!got) span_.fail(got.error());
        if (!got || *got < out.size()) end();
        return got;
    }
    [[nodiscard]] std::optional<Seconds> duration_hint() const override { return source_->duration_hint(); }
    [[nodiscard]] std::string damage() const override { return source_->damage(); }
    [[nodiscard]] std::optional<AudioTrack> track() const override { return source_->track(); }

private:
    void end() {
        if (std::exchange(ended_, true)) return;
        span_.set("hotmic.audio.seconds", seconds_of(samples_).count());
        span_.set("hotmic.decode.waited_ms", to_ms(waited_));
        span_.end();
    }

    std::unique_ptr<AudioSource> source_;
    tracing::Span span_;
    std::size_t samples_ = 0;
    std::chrono::nanoseconds waited_{};
    bool ended_ = false;
};

}  // namespace

std::unique_ptr<AudioSource> traced(std::unique_ptr<AudioSource> source, tracing::Span span) {
    if (!span) return source;
    return std::make_unique<TracedSource>(std::move(source), std::move(span));
}

}  // namespace hotmic::server
