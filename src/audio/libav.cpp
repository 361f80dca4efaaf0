#include "audio/libav.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>

namespace hotmic::audio {

std::string libav_error(int code) {
    std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
    av_strerror(code, text.data(), text.size());
    return text.data();
}

void prepare_libav() {
    static std::once_flag once;
    std::call_once(once, [] {
        av_max_alloc(kMostBlockBytes);
        av_log_set_callback([](void*, int level, const char* format, va_list arguments) {
            if (level > AV_LOG_WARNING || !spdlog::should_log(spdlog::level::debug)) return;
            std::array<char, 512> line{};
            std::vsnprintf(line.data(), line.size(), format, arguments);
            std::string_view text(line.data());
            while (text.ends_with('\n')) text.remove_suffix(1);
            spdlog::debug("libav: {}", text);
        });
    });
}

}  // namespace hotmic::audio
