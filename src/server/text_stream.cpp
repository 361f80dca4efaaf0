#include "server/text_stream.hpp"

#include <utility>
#include <vector>

#include "hotmic/transcript.hpp"
#include "server/event_stream.hpp"
#include "system/mutex.hpp"

namespace hotmic::server {
namespace {

/// Not in OpenAI's description of transcriptions, but what its clients take for the end.
constexpr const char* kEnd = "[DONE]";

}  // namespace

bool TextStream::add(const Segment& segment) {
    const Lock lock(mutex_);
    auto data = events_.delta(segment);
    if (data.empty()) return false;
    waiting_.push_back({.event = "transcript.text.delta", .data = std::move(data)});
    return !std::exchange(begun_, true);
}

void TextStream::done(const Transcript& transcript) {
    const Lock lock(mutex_);
    end("transcript.text.done", events_.done(transcript));
}

void TextStream::fail(const std::string& error_json) {
    const Lock lock(mutex_);
    end("error", error_json);
}

void TextStream::end(std::string event, std::string data) {
    waiting_.push_back({.event = std::move(event), .data = std::move(data)});
    waiting_.push_back({.data = kEnd});
    ended_ = true;
}

bool TextStream::begun() const {
    const Lock lock(mutex_);
    return begun_;
}

std::vector<ServerEvent> TextStream::take(bool& last) {
    const Lock lock(mutex_);
    last = ended_;
    return std::exchange(waiting_, {});
}

}  // namespace hotmic::server
