#include "server/wyoming_parser.hpp"

#include <cstddef>
#include <format>
#include <glaze/glaze.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::server {
namespace wire {

struct WyomingHeader {
    std::string type;
    std::optional<glz::generic> data;
    std::optional<std::size_t> data_length;
    std::optional<std::size_t> payload_length;
};

}  // namespace wire

double WyomingEvent::number(std::string_view name, double otherwise) const {
    if (!data.is_object() || !data.contains(name) || !data[name].is_number()) return otherwise;
    return data[name].get_number();
}

std::string WyomingEvent::text(std::string_view name) const {
    if (!data.is_object() || !data.contains(name) || !data[name].is_string()) return {};
    return data[name].get_string();
}

Result<std::vector<WyomingEvent>> WyomingParser::feed(std::string_view bytes) {
    held_ += bytes;
    std::vector<WyomingEvent> events;
    while (true) {
        WyomingEvent event;
        const auto complete = next(event);
        if (!complete) return std::unexpected(complete.error());
        if (!*complete) break;
        events.push_back(std::move(event));
    }
    held_.erase(0, std::exchange(used_, 0));
    if (held_.empty() && held_.capacity() > kMostLine) held_.shrink_to_fit();
    return events;
}

Result<bool> WyomingParser::next(WyomingEvent& event) {
    constexpr auto kTolerant = glz::opts{.null_terminated = false, .error_on_unknown_keys = false};
    if (!in_body_) {
        const auto end = held_.find('\n', used_);
        if ((end == std::string::npos ? held_.size() : end) - used_ > kMostLine)
            return fail(ErrorCode::body_too_large, std::format("a line of more than {} bytes", kMostLine));
        if (end == std::string::npos) return false;
        const auto line = std::string_view(held_).substr(used_, end - used_);
        wire::WyomingHeader header;
        if (const auto problem = glz::read<kTolerant>(header, line); problem || header.type.empty()) {
            return fail(ErrorCode::invalid_request, "a line is no JSON object with a type" +
                                                        (problem ? ": " + glz::format_error(problem, line) : ""));
        }
        header_ = {header.type, header.data.value_or(glz::generic{}), header.data_length.value_or(0),
                   header.payload_length.value_or(0)};
        if (header_.data_length > kMostData || header_.payload_length > kMostPayload)
            return fail(ErrorCode::body_too_large,
                        std::format("an event of {} and {} bytes", header_.data_length, header_.payload_length));
        used_ = end + 1;
        in_body_ = true;
    }
    if (held_.size() - used_ < header_.data_length + header_.payload_length) return false;
    in_body_ = false;
    event.type = std::move(header_.type);
    event.data = std::move(header_.data);
    if (header_.data_length > 0) {
        const auto json = std::string_view(held_).substr(used_, header_.data_length);
        if (const auto problem = glz::read<kTolerant>(event.data, json))
            return fail(ErrorCode::invalid_request,
                        "the data of an event is no JSON: " + glz::format_error(problem, json));
    }
    event.payload = held_.substr(used_ + header_.data_length, header_.payload_length);
    used_ += header_.data_length + header_.payload_length;
    return true;
}

std::string wyoming_event(std::string_view type, std::string_view data) {
    return std::format("{{\"type\":\"{}\",\"version\":\"1.7.0\",\"data_length\":{}}}\n{}", type, data.size(), data);
}

}  // namespace hotmic::server
