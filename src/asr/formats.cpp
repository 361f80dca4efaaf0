#include "asr/formats.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <format>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/formats/renderers.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kPlain = "text/plain; charset=utf-8";
constexpr std::string_view kVtt = "text/vtt; charset=utf-8";

struct Row {
    ResponseFormat format{};
    std::string_view name{};
    std::string_view content_type{};
    std::string_view extension{};
    bool subtitles = false;
    formats::Renderer* renderer = nullptr;
};

constexpr std::array kFormats{
    Row{ResponseFormat::json, "json", kJson, ".json", false, formats::json},
    Row{ResponseFormat::text, "text", kPlain, ".txt", false, formats::text},
    Row{ResponseFormat::srt, "srt", kPlain, ".srt", true, formats::srt},
    Row{ResponseFormat::vtt, "vtt", kVtt, ".vtt", true, formats::vtt},
    Row{ResponseFormat::verbose_json, "verbose_json", kJson, ".json", false, formats::verbose_json},
};

constexpr bool has_a_row_for_each() {
    for (std::size_t i = 0; i < kFormats.size(); ++i) {
        if (std::to_underlying(kFormats[i].format) != i) return false;
    }
    return kFormats.back().format == ResponseFormat::verbose_json;
}
static_assert(has_a_row_for_each(), "a row for each value of ResponseFormat, in its order");

constexpr const Row& row_of(ResponseFormat format) noexcept {
    return kFormats[std::to_underlying(format)];
}

/// "json, text or srt".
std::string all_names() {
    std::string names;
    for (std::size_t i = 0; i < kFormats.size(); ++i) {
        if (i > 0) names += i + 1 < kFormats.size() ? ", " : " or ";
        names += kFormats[i].name;
    }
    return names;
}

}  // namespace

Result<ResponseFormat> parse_response_format(std::string_view name) {
    const auto* found = std::ranges::find(kFormats, name, &Row::name);
    if (found != kFormats.end()) return found->format;
    return fail(ErrorCode::unsupported_response_format, std::format("response_format \"{}\" is not supported", name),
                "use " + all_names(), "response_format");
}

std::vector<std::string_view> response_format_names() {
    return kFormats | std::views::transform(&Row::name) | std::ranges::to<std::vector<std::string_view>>();
}

std::string_view name_of(ResponseFormat format) noexcept {
    return row_of(format).name;
}

std::string_view content_type_of(ResponseFormat format) noexcept {
    return row_of(format).content_type;
}

std::string_view extension_of(ResponseFormat format) noexcept {
    return row_of(format).extension;
}

bool is_subtitles(ResponseFormat format) noexcept {
    return row_of(format).subtitles;
}

bool needs_words(ResponseFormat format, const RenderOptions& options) noexcept {
    return is_subtitles(format) && options.cues.max_line_width > 0;
}

std::string render(const Transcript& transcript, ResponseFormat format, const RenderOptions& options) {
    return row_of(format).renderer(transcript, options);
}

}  // namespace hotmic
