#include "asr/providers/pocketsphinx/decoder.hpp"

#include <pocketsphinx/err.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <format>
#include <mutex>
#include <string>

namespace hotmic::pocketsphinx {
namespace {

constexpr double kFramesPerSecond = 100;
constexpr double kPauseSeconds = 0.5;  // between words: where a segment ends

thread_local std::string last_errors;  // of the decoder being made on this thread

void log_line(void*, err_lvl_t level, const char* format, ...) {
    std::array<char, 512> line{};
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(line.data(), line.size(), format, arguments);
    va_end(arguments);
    std::string_view text(line.data());
    while (text.ends_with('\n')) text.remove_suffix(1);
    if (level >= ERR_ERROR) {
        spdlog::warn("pocketsphinx: {}", text);
        last_errors += (last_errors.empty() ? "" : " | ") + std::string(text);
    } else {
        spdlog::debug("pocketsphinx: {}", text);
    }
}

/// "read(2)" is the second pronunciation of "read"; "<sil>", "[NOISE]" and "++UH++" are no words.
std::string spelling(std::string_view word) {
    if (word.empty() || word.front() == '<' || word.front() == '[' || word.starts_with("++")) return {};
    if (const auto bracket = word.find('('); bracket != std::string_view::npos && bracket > 0) word = word.substr(0, bracket);
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

Result<DecoderPtr> make_decoder(const ModelFiles& files, const Settings& settings) {
    capture_log();
    last_errors.clear();
    const ConfigPtr config(ps_config_init(nullptr));
    ps_config_set_str(config.get(), "hmm", files.acoustic_model.c_str());
    ps_config_set_str(config.get(), "lm", files.language_model.c_str());
    ps_config_set_str(config.get(), "dict", files.dictionary.c_str());
    for (const auto& [name, value] : settings) {
        const anytype_t* set = nullptr;
        switch (ps_config_typeof(config.get(), name.c_str()) & ~ARG_REQUIRED) {
            case ARG_INTEGER: set = ps_config_set_int(config.get(), name.c_str(), std::stol(value)); break;
            case ARG_BOOLEAN: set = ps_config_set_bool(config.get(), name.c_str(), value == "yes" ? 1 : 0); break;
            case ARG_FLOATING: set = ps_config_set_float(config.get(), name.c_str(), std::stod(value)); break;
            default: set = ps_config_set_str(config.get(), name.c_str(), value.c_str()); break;
        }
        if (set == nullptr) return fail(ErrorCode::internal, std::format("PocketSphinx has no parameter {}", name));
    }
    DecoderPtr decoder(ps_init(config.get()));
    if (!decoder) {
        return fail(ErrorCode::load_failed, std::format("PocketSphinx refused the model: {}", last_errors),
                    "install it anew: apt install --reinstall pocketsphinx-en-us");
    }
    return decoder;
}

std::vector<Word> words_of(ps_decoder_t& decoder, double offset) {
    std::vector<Word> words;
    auto* const math = ps_get_logmath(&decoder);
    for (auto* entry = ps_seg_iter(&decoder); entry != nullptr; entry = ps_seg_next(entry)) {
        auto text = spelling(ps_seg_word(entry));
        if (text.empty()) continue;
        int first = 0;
        int last = 0;
        ps_seg_frames(entry, &first, &last);
        const double posterior = logmath_exp(math, ps_seg_prob(entry, nullptr, nullptr, nullptr));
        words.push_back({std::move(text), offset + first / kFramesPerSecond, offset + (last + 1) / kFramesPerSecond,
                         std::clamp(posterior, 0.0, 1.0)});
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
        if (segments.empty() || word.start - segments.back().end >= kPauseSeconds) {
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

Result<std::vector<std::int16_t>> to_pcm16(AudioView audio) {
    std::vector<std::int16_t> pcm(audio.size());
    for (std::size_t i = 0; i < audio.size(); ++i) {
        if (!std::isfinite(audio[i])) {
            return fail(ErrorCode::audio_invalid_samples, std::format("sample {} of the audio is not a finite number", i),
                        "send samples between -1 and 1");
        }
        pcm[i] = static_cast<std::int16_t>(std::lround(std::clamp(audio[i], -1.0F, 1.0F) * 32767));
    }
    return pcm;
}

}  // namespace hotmic::pocketsphinx
