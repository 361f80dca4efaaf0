#include "asr/providers/pocketsphinx/decoder.hpp"

#include <pocketsphinx/err.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <format>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "asr/providers/pocketsphinx/model_files.hpp"
#include "asr/providers/pocketsphinx/provider.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::pocketsphinx {
namespace {

constexpr Seconds kPause(0.5);            // between words: where a segment ends
constexpr const char* kSearch = "words";  // the search's name within the decoder

/// While one lives, the engine's errors on this thread are kept for the message of the load that fails because of them.
/// Otherwise they are nothing an operator must act on: noise without words in it is an "error" to the engine.
class KeptErrors {
public:
    KeptErrors() { current_ = this; }
    ~KeptErrors() { current_ = nullptr; }
    KeptErrors(const KeptErrors&) = delete;
    KeptErrors& operator=(const KeptErrors&) = delete;

    static bool keep(std::string_view line) {
        if (current_ == nullptr) return false;
        current_->lines_ += (current_->lines_.empty() ? "" : " | ") + std::string(line);
        return true;
    }
    [[nodiscard]] const std::string& lines() const { return lines_; }

private:
    static thread_local KeptErrors* current_;
    std::string lines_;
};
thread_local KeptErrors* KeptErrors::current_ = nullptr;

void log_line(void*, err_lvl_t level, const char* format, ...) {
    std::array<char, 512> line{};
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(line.data(), line.size(), format, arguments);
    va_end(arguments);
    std::string_view text(line.data());
    while (text.ends_with('\n')) text.remove_suffix(1);
    const bool wanted = level >= ERR_ERROR && KeptErrors::keep(text);
    spdlog::log(wanted || level >= ERR_FATAL ? spdlog::level::warn : spdlog::level::debug, "pocketsphinx: {}", text);
}

template <class Number>
std::optional<Number> number(const std::string& text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// Sets one parameter in the type the engine has it in.
bool set(ps_config_t& config, const std::string& name, const std::string& value) {
    switch (ps_config_typeof(&config, name.c_str()) & ~ARG_REQUIRED) {
        case ARG_INTEGER: {
            const auto whole = number<long>(value);
            return whole && ps_config_set_int(&config, name.c_str(), *whole) != nullptr;
        }
        case ARG_FLOATING: {
            const auto real = number<double>(value);
            return real && ps_config_set_float(&config, name.c_str(), *real) != nullptr;
        }
        case ARG_BOOLEAN:
            return ps_config_set_bool(&config, name.c_str(), value == "yes" ? 1 : 0) != nullptr;
        case ARG_STRING:
            return ps_config_set_str(&config, name.c_str(), value.c_str()) != nullptr;
        default:
            return false;
    }
}

/// "read(2)" is the second pronunciation of "read"; "<sil>", "[NOISE]" and "++UH++" are no words.
std::string spelling(std::string_view word) {
    if (word.empty() || word.front() == '<' || word.front() == '[' || word.starts_with("++")) return {};
    if (const auto bracket = word.find('('); bracket != std::string_view::npos && bracket > 0)
        word = word.substr(0, bracket);
    return std::string(word);
}

}  // namespace

void capture_log() {
    static std::once_flag once;
    std::call_once(once, [] {
        err_set_callback(log_line, nullptr);
        err_set_loglevel(ERR_WARN);
    });
}

Result<DecoderPtr> make_decoder(const ModelFiles& files, const Settings& settings, const std::function<bool()>& go_on) {
    capture_log();
    const KeptErrors errors;
    const auto refused = [&] {
        return fail(ErrorCode::load_failed, std::format("PocketSphinx refused the model: {}", errors.lines()),
                    "install it anew: apt install --reinstall pocketsphinx-en-us");
    };
    const ConfigPtr config(ps_config_init(nullptr));
    ps_config_set_str(config.get(), "hmm", files.acoustic_model.c_str());
    ps_config_set_str(config.get(), "dict", files.dictionary.c_str());
    for (const auto& [name, value] : settings) {
        if (!set(*config, name, value)) {
            return fail(ErrorCode::internal,
                        std::format("PocketSphinx has no parameter {} that could be {}", name, value));
        }
    }
    DecoderPtr decoder(ps_init(config.get()));
    if (!decoder) return refused();
    if (go_on && !go_on()) return fail(ErrorCode::load_cancelled, "the load was cancelled");
    if (ps_add_lm_file(decoder.get(), kSearch, files.language_model.c_str()) != 0 ||
        ps_activate_search(decoder.get(), kSearch) != 0) {
        return refused();
    }
    return decoder;
}

std::vector<Word> words_of(ps_decoder_t& decoder, Seconds offset) {
    std::vector<Word> words;
    auto* const math = ps_get_logmath(&decoder);
    for (auto* entry = ps_seg_iter(&decoder); entry != nullptr; entry = ps_seg_next(entry)) {
        auto text = spelling(ps_seg_word(entry));
        if (text.empty()) continue;
        int first = 0;
        int last = 0;
        ps_seg_frames(entry, &first, &last);
        const double posterior = logmath_exp(math, ps_seg_prob(entry, nullptr, nullptr, nullptr));
        words.push_back({std::move(text), offset + Seconds(first / kFramesPerSecond),
                         offset + Seconds((last + 1) / kFramesPerSecond), std::clamp(posterior, 0.0, 1.0)});
    }
    return words;
}

std::vector<Segment> segments_of(std::vector<Word> words, bool with_words) {
    std::vector<Segment> segments;
    std::vector<double> logprobs;
    const auto close = [&] {
        if (segments.empty()) return;
        double sum = 0;
        for (const double logprob : logprobs) sum += logprob;
        segments.back().avg_logprob = sum / static_cast<double>(std::max<std::size_t>(1, logprobs.size()));
        logprobs.clear();
    };
    for (auto& word : words) {
        if (segments.empty() || word.start - segments.back().end >= kPause) {
            close();
            segments.push_back({.start = word.start, .end = word.end, .text = {}});
        }
        auto& segment = segments.back();
        if (!segment.text.empty()) segment.text += ' ';
        segment.text += word.text;
        segment.end = word.end;
        logprobs.push_back(std::log(std::max(word.probability, 1e-10)));
        if (with_words) segment.words.push_back(std::move(word));
    }
    close();
    return segments;
}

std::vector<std::int16_t> to_pcm16(AudioView audio) {
    std::vector<std::int16_t> pcm(audio.size());
    std::ranges::transform(audio, pcm.begin(), [](float sample) {
        return static_cast<std::int16_t>(std::lround(std::clamp(sample, -1.0F, 1.0F) * 32767));
    });
    return pcm;
}

bool has_voice(std::span<const std::int16_t> pcm) {
    const VoiceDetectorPtr vad(ps_vad_init(PS_VAD_LOOSE, kSampleRate, 0));
    if (!vad) return true;
    for (const auto frame = ps_vad_frame_size(vad.get()); pcm.size() >= frame; pcm = pcm.subspan(frame)) {
        if (ps_vad_classify(vad.get(), pcm.data()) == PS_VAD_SPEECH) return true;
    }
    return false;
}

}  // namespace hotmic::pocketsphinx
