#include "text/human_size.hpp"

#include <array>
#include <cstddef>
#include <format>
#include <string>

#include "hotmic/units.hpp"

namespace hotmic {

std::string human_size(Bytes size) {
    constexpr std::array units{"bytes", "kB", "MB", "GB", "TB"};
    auto amount = static_cast<double>(size.count());
    std::size_t unit = 0;
    while (amount >= 999.5 && unit + 1 < units.size()) {
        amount /= 1000;
        ++unit;
    }
    return unit > 0 && amount < 9.95 ? std::format("{:.1f} {}", amount, units[unit])
                                     : std::format("{:.0f} {}", amount, units[unit]);
}

std::string precise_size(Bytes size) {
    const auto mega = static_cast<double>(size.count()) / 1e6;
    return mega >= 1000 ? std::format("{:.2f} GB", mega / 1000) : std::format("{:.1f} MB", mega);
}

}  // namespace hotmic
