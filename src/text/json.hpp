/// JSON for the wire, and how our units are written in any form of it.
#pragma once

#include <cstdint>
#include <glaze/glaze.hpp>
#include <string>

#include "hotmic/units.hpp"

/// On the wire it is a number.
template <>
struct glz::meta<hotmic::Bytes> {
    static constexpr auto read = [](hotmic::Bytes& size, std::uint64_t count) { size = hotmic::Bytes(count); };
    static constexpr auto write = [](const hotmic::Bytes& size) { return size.count(); };
    static constexpr auto value = glz::custom<read, write>;
};

namespace hotmic {

/// Text from clients and engines may hold any control character; JSON may hold none as it is.
struct JsonOptions : glz::opts {
    bool escape_control_characters = true;
};

template <JsonOptions options = {}>
[[nodiscard]] std::string to_json(const auto& value) {
    return glz::write<options>(value).value_or("{}");
}

}  // namespace hotmic
