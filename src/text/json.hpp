/// JSON for the wire.
#pragma once

#include <glaze/glaze.hpp>
#include <string>

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
