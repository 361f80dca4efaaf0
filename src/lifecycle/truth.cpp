#include "lifecycle/truth.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <optional>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/warmup.hpp"
#include "lifecycle/warmup_runner.hpp"
#include "text/utf8.hpp"

namespace hotmic {
namespace {

/// Words that were drawn at random may be others the next time.
bool is_drawn(const Transcript& heard) {
    return std::ranges::any_of(heard.segments, [](const Segment& segment) { return segment.temperature > 0; });
}

bool is_plain(const TranscribeOptions& options) {
    return options == TranscribeOptions{};
}

/// Asked for the clip's own words, and not for others or for luck.
bool asks_for_words(const TranscribeOptions& options) {
    return options.task == Task::transcribe && options.temperature == 0 && options.prompt.empty() &&
           options.step.stream == 0;
}

}  // namespace

Truth::Truth(Validate how, std::string said, double max_word_error_rate, std::string on)
    : how_(how), said_(std::move(said)), max_word_error_rate_(max_word_error_rate), on_(std::move(on)) {}

std::optional<Error> Truth::judge(const Transcript& heard, const TranscribeOptions& options) {
    if (how_ == Validate::off || !asks_for_words(options)) return std::nullopt;
    if (!first_) {
        if (is_plain(options)) first_ = heard;
        return std::nullopt;
    }
    if (is_plain(options) && !is_drawn(*first_) && !is_drawn(heard) && word_error_rate(first_->text, heard.text) > 0)
        return disqualified("does not repeat itself", heard);
    const bool known = how_ == Validate::transcribes && !said_.empty();
    if (known && word_error_rate(said_, heard.text) > max_word_error_rate_)
        return disqualified("does not hear what was said", heard);
    return std::nullopt;
}

Error Truth::disqualified(const std::string& why, const Transcript& heard) const {
    constexpr std::size_t kShown = 300;
    return {ErrorCode::disqualified,
            std::format("{} {}: asked for the same clip, it first answered \"{}\" and then \"{}\"", on_, why,
                        cut(first_->text, kShown), cut(heard.text, kShown)),
            "set backend = \"cpu\", or update the driver"};
}

}  // namespace hotmic
