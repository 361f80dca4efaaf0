#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <format>
#include <print>
#include <string>
#include <string_view>
#include <vector>
#include "hotmic/units.hpp"

namespace hotmic::cli {
namespace {

constexpr std::string_view kEraseLine = "\r\x1b[K";

std::size_t width_of(std::string_view text) {
    // Code points: bytes that do not continue one. Near enough for names and numbers.
    return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

bool wants_colour(std::FILE* stream) {
    const char* no_colour = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return is_terminal(stream) && !(no_colour && *no_colour) && !(term && std::string_view(term) == "dumb");
}

std::size_t terminal_width() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

std::string_view code_of(Colour colour) {
    switch (colour) {
        case Colour::green:
            return "32";
        case Colour::yellow:
            return "33";
        case Colour::red:
            return "31";
        case Colour::dim:
            return "2";
        case Colour::bold:
            return "1";
    }
    return "0";
}

}  // namespace

bool is_terminal(std::FILE* stream) {
    return ::isatty(::fileno(stream)) == 1;
}

std::string paint(std::FILE* stream, Colour colour, std::string_view text) {
    if (!wants_colour(stream)) return std::string(text);
    return std::format("\x1b[{}m{}\x1b[0m", code_of(colour), text);
}

void say(std::string_view line) {
    std::println(stdout, "{}", line);
    std::fflush(stdout);
}

void complain(std::string_view line) {
    std::println(stderr, "{}", line);
}

std::string aligned(const std::vector<std::vector<std::string>>& rows, int indent) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    }
    std::string text;
    for (const auto& row : rows) {
        std::string line(static_cast<std::size_t>(indent), ' ');
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row[i];
            if (i + 1 < row.size()) line.append(widths[i] - width_of(row[i]) + 2, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

std::string human_time(Seconds time) {
    using namespace std::chrono_literals;
    if (time < 10ms) return std::format("{:.1f} ms", to_ms(time));
    if (time < 1s) return std::format("{:.0f} ms", to_ms(time));
    if (time < 2min) return std::format("{:.2f} s", time.count());
    const auto whole = static_cast<long long>(time.count());
    return std::format("{} min {:02} s", whole / 60, whole % 60);
}

void ProgressLine::draw(std::string_view label, double fraction) {
    if (!shown_) return;
    std::string line(label);
    if (fraction >= 0) {
        constexpr int cells = 24;
        const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * cells);
        std::string bar;
        for (int i = 0; i < cells; ++i) bar += i < full ? "█" : "░";
        line = std::format("{} {:3.0f}%  {}", bar, std::clamp(fraction, 0.0, 1.0) * 100, label);
    }
    // A line that wraps cannot be erased; cut at a code point.
    while (width_of(line) >= terminal_width()) {
        line.pop_back();
        while (!line.empty() && (line.back() & 0xC0) == 0x80) line.pop_back();
        if (!line.empty() && (line.back() & 0x80)) line.pop_back();
    }
    show(line);
}

void ProgressLine::draw_end(std::string_view text) {
    if (!shown_) return;
    while (width_of(text) >= terminal_width()) {
        do text.remove_prefix(1);
        while (!text.empty() && (text.front() & 0xC0) == 0x80);
    }
    show(text);
}

void ProgressLine::show(std::string_view line) {
    std::print(stderr, "{}{}", kEraseLine, line);
    std::fflush(stderr);
    dirty_ = true;
}

void ProgressLine::clear() {
    if (!dirty_) return;
    std::print(stderr, "{}", kEraseLine);
    std::fflush(stderr);
    dirty_ = false;
}

}  // namespace hotmic::cli
