/// Writing for people: colour and progress only where a terminal shows them.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/units.hpp"

namespace hotmic::cli {

/// True when `stream` is a terminal.
[[nodiscard]] bool is_terminal(std::FILE* stream);

enum class Colour { green, yellow, red, dim, bold };

/// `text` in a colour where `stream` is a terminal that wants one (NO_COLOR unset, TERM not "dumb"); else unchanged.
[[nodiscard]] std::string paint(std::FILE* stream, Colour colour, std::string_view text);

/// One line on stdout, on its way at once: whoever reads us through a pipe sees it now.
void say(std::string_view line);

/// One line on stderr.
void complain(std::string_view line);

/// Rows with their columns aligned, two spaces between; `indent` spaces in front of each.
[[nodiscard]] std::string aligned(const std::vector<std::vector<std::string>>& rows, int indent = 0);

/// "0.412 s", "85 ms", "2 min 05 s".
[[nodiscard]] std::string human_time(Seconds time);

/// A line on stderr that is drawn over and over. Does nothing where stderr is no terminal.
class ProgressLine {
public:
    ProgressLine() : shown_(is_terminal(stderr)) {}
    ~ProgressLine() { clear(); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    /// `fraction` below 0: how far is not known.
    void draw(std::string_view label, double fraction);
    /// As much of the end of `text` as fits.
    void draw_end(std::string_view text);
    void clear();
    [[nodiscard]] bool shown() const noexcept { return shown_; }

private:
    void show(std::string_view line);

    const bool shown_;
    bool dirty_ = false;
};

}  // namespace hotmic::cli
