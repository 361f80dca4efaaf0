/// Events of the Wyoming protocol: a line of JSON, then as many bytes of JSON and of payload as it announces.
/// https://github.com/OHF-Voice/wyoming#format
#pragma once

#include <cstddef>
#include <glaze/json/generic.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::server {

struct WyomingEvent {
    std::string type;
    glz::generic data{};  ///< an object or null
    std::string payload{};

    /// A number or text of `data`; the default where there is none of that kind.
    [[nodiscard]] double number(std::string_view name, double otherwise) const;
    [[nodiscard]] std::string text(std::string_view name) const;
};

/// Cuts a stream of bytes into events.
class WyomingParser {
public:
    static constexpr std::size_t kMostLine = 64 << 10;
    static constexpr std::size_t kMostData = 1 << 20;
    static constexpr std::size_t kMostPayload = 4 << 20;

    /// The events that are complete with these bytes. Errors: invalid_request, body_too_large; there is no way on after
    /// one.
    [[nodiscard]] Result<std::vector<WyomingEvent>> feed(std::string_view bytes);
    /// Bytes kept of an event that is not complete.
    [[nodiscard]] std::size_t held() const noexcept { return held_.capacity(); }
    [[nodiscard]] bool begun() const noexcept { return in_body_ || !held_.empty(); }

private:
    struct Header {
        std::string type;
        glz::generic data{};
        std::size_t data_length = 0;
        std::size_t payload_length = 0;
    };
    [[nodiscard]] Result<bool> next(WyomingEvent& event);

    std::string held_;
    std::size_t used_ = 0;  // of `held_`
    bool in_body_ = false;
    Header header_;
};

/// The bytes of an event without payload; `data` is JSON.
[[nodiscard]] std::string wyoming_event(std::string_view type, std::string_view data);

}  // namespace hotmic::server
