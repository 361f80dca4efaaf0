#include "asr/providers/pocketsphinx/growing_utterance.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <format>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "asr/providers/pocketsphinx/decoder.hpp"
#include "hotmic/units.hpp"

namespace hotmic::pocketsphinx {
namespace {

/// As many frames the engine takes a mean for that it is given (CMN_WIN), beside those it has heard since.
constexpr double kGivenFrames = 500;
/// From so many on (CMN_WIN_HWM, less the former) it forgets the oldest; what it was given has no say any more.
constexpr double kForgetting = 300;
/// At once, in samples. The engine's queue of frames is as long as the longest recording that it had whole (12 frames
/// before). More at once may fill it, and the search, which looks five frames back, then finds them overwritten: it
/// fails an assertion or worse.
constexpr std::size_t kMouthful = kSampleRate / 20;
/// A mean that is this far from the one in use is worth beginning anew for, once there is so many times as much to
/// hear. Nearer, it costs more and hears no better; farther, it hears worse (docs/providers.md).
constexpr double kFar = 9;
constexpr double kWorthIt = 1.5;

std::vector<double> numbers_of(std::string_view list) {
    std::vector<double> numbers;
    while (!list.empty()) {
        double number = 0;
        const auto [end, error] = std::from_chars(list.data(), list.data() + list.size(), number);
        if (error != std::errc()) break;
        numbers.push_back(number);
        list.remove_prefix(static_cast<std::size_t>(end - list.data()));
        if (list.starts_with(',')) list.remove_prefix(1);
    }
    return numbers;
}

std::string list_of(const std::vector<double>& numbers) {
    std::string list;
    for (const double number : numbers) list += std::format("{}{:.2f}", list.empty() ? "" : ",", number);
    return list;
}

/// Of the engine's frames. None where it normalises by none.
std::vector<double> mean_of(ps_decoder_t& decoder, bool with_what_was_heard) {
    const char* list = ps_get_cmn(&decoder, with_what_was_heard ? 1 : 0);
    return list == nullptr ? std::vector<double>{} : numbers_of(list);
}

double distance(const std::vector<double>& one, const std::vector<double>& other) {
    double sum = 0;
    for (std::size_t i = 0; i < std::min(one.size(), other.size()); ++i)
        sum += (one[i] - other[i]) * (one[i] - other[i]);
    return std::sqrt(sum);
}

}  // namespace

bool GrowingUtterance::hear(std::span<const std::int16_t> pcm) {
    if (is_continued_by(pcm)) {
        if (!go_on(pcm.subspan(heard_.size()))) return false;
    } else {
        let_go();
        decoded_ = 0;
        if (!begin(mean_of(decoder_, false), pcm)) return false;
        begun_with_ = 0;
    }
    if (static_cast<double>(heard_.size()) < kWorthIt * static_cast<double>(begun_with_)) return true;
    const auto mean = measured();
    if (distance(mean, used_) < kFar) return true;
    ps_end_utt(&decoder_);
    return begin(mean, pcm);
}

void GrowingUtterance::let_go() {
    if (!open_) return;
    open_ = false;
    heard_.clear();
    ps_end_utt(&decoder_);
    ps_reinit_feat(&decoder_, nullptr);  // a mean over the whole again, and the one it began with
}

bool GrowingUtterance::begin(const Mean& mean, std::span<const std::int16_t> pcm) {
    used_ = mean;
    heard_.clear();
    begun_with_ = pcm.size();
    ps_start_stream(&decoder_);
    if (!mean.empty()) ps_set_cmn(&decoder_, list_of(mean).c_str());
    open_ = ps_start_utt(&decoder_) == 0;
    return open_ && go_on(pcm);
}

bool GrowingUtterance::go_on(std::span<const std::int16_t> pcm) {
    heard_.insert(heard_.end(), pcm.begin(), pcm.end());
    decoded_ += pcm.size();
    for (; !pcm.empty(); pcm = pcm.subspan(std::min(kMouthful, pcm.size()))) {
        if (ps_process_raw(&decoder_, pcm.data(), std::min(kMouthful, pcm.size()), 0, 0) < 0) return false;
    }
    return true;
}

bool GrowingUtterance::is_continued_by(std::span<const std::int16_t> pcm) const {
    return open_ && pcm.size() >= heard_.size() && std::ranges::equal(pcm.first(heard_.size()), heard_);
}

/// Of the audio alone. What the engine tells is the mean of that and of the one it was given.
GrowingUtterance::Mean GrowingUtterance::measured() const {
    auto mean = mean_of(decoder_, true);
    const double frames = seconds_of(heard_.size()).count() * kFramesPerSecond;
    if (frames <= 0 || frames > kForgetting) return mean;
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += (mean[i] - used_[i]) * kGivenFrames / frames;
    return mean;
}

}  // namespace hotmic::pocketsphinx
