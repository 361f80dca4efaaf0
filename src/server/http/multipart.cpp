#include "server/http/multipart.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "server/http/fields.hpp"

namespace hotmic::http {
namespace {

std::unexpected<Error> malformed(std::string what) {
    return fail(ErrorCode::invalid_request, "the multipart body is malformed: " + std::move(what),
                "let an HTTP library build it, e.g. curl -F file=@speech.wav");
}

}  // namespace

Result<std::string> MultipartParser::boundary_of(std::string_view content_type) {
    const auto type = parse_parameters(content_type);
    if (type.value != "multipart/form-data") {
        return fail(ErrorCode::invalid_request,
                    type.value.empty() ? "the request has no Content-Type"
                                       : std::format("the body is {}, not multipart/form-data", type.value),
                    "send the audio as multipart field file, e.g. curl -F file=@speech.wav");
    }
    constexpr std::size_t kMost = 200;  // the standard's is 70
    const auto* boundary = type.find("boundary");
    if (boundary == nullptr || boundary->empty() || boundary->size() > kMost) {
        return fail(ErrorCode::invalid_request, "the Content-Type names no boundary",
                    "let the HTTP library set Content-Type: it adds the boundary it uses");
    }
    return *boundary;
}

MultipartParser::MultipartParser(const std::string& boundary, Handler& handler)
    : delimiter_("\r\n--" + boundary), handler_(handler) {}

Result<void> MultipartParser::feed(std::string_view bytes) {
    held_ += bytes;
    while (true) {
        const auto more = step();
        if (!more) return std::unexpected(more.error());
        if (!*more) break;
    }
    held_.erase(0, std::exchange(used_, 0));
    return {};
}

Result<void> MultipartParser::finish() const {
    if (state_ == State::end) return {};
    return malformed(state_ == State::preamble ? "the boundary that the Content-Type names does not come"
                                               : "it ends before its last boundary");
}

/// False where more bytes are needed.
Result<bool> MultipartParser::step() {
    switch (state_) {
        case State::preamble:
            return to_boundary(false);
        case State::data:
            return to_boundary(true);
        case State::boundary: {
            // Between the boundary and the end of its line there may be spaces.
            const auto at = held_.find_first_not_of(" \t", used_);
            if (at == std::string::npos || held_.size() - at < 2) {
                if (held_.size() - used_ > kMostHeader) return malformed("a boundary's line does not end");
                return false;
            }
            const auto end = std::string_view(held_).substr(at, 2);
            if (end != "--" && end != "\r\n") return malformed("a boundary is followed by something else");
            state_ = end == "--" ? State::end : State::header;
            used_ = at + (end == "--" ? 2 : 0);  // a header may be empty: its first line begins with this end
            return true;
        }
        case State::header:
            return take_header();
        case State::end:
            used_ = held_.size();
            return false;
    }
    std::unreachable();
}

Result<bool> MultipartParser::to_boundary(bool in_part) {
    const auto at = held_.find(delimiter_, used_);
    const bool found = at != std::string::npos;
    // The last bytes may be the beginning of a boundary.
    const auto end = found ? at : std::max(used_, held_.size() - std::min(held_.size(), delimiter_.size() - 1));
    if (in_part && end > used_) {
        if (auto taken = handler_.part_data(std::string_view(held_).substr(used_, end - used_)); !taken)
            return std::unexpected(std::move(taken).error());
    }
    used_ = end;
    if (!found) return false;
    used_ += delimiter_.size();
    state_ = State::boundary;
    return true;
}

Result<bool> MultipartParser::take_header() {
    const auto end = held_.find("\r\n\r\n", used_);
    if (std::min(end, held_.size()) - used_ > kMostHeader)
        return malformed(std::format("the header of a part is over {} bytes", kMostHeader));
    if (end == std::string::npos) return false;
    auto header = std::string_view(held_).substr(used_, end - used_);
    used_ = end + 4;
    Part part;
    bool named = false;
    while (!header.empty()) {
        const auto line = header.substr(0, header.find("\r\n"));
        header.remove_prefix(std::min(line.size() + 2, header.size()));
        const auto colon = line.find(':');
        if (colon == line.npos || !same_name(line.substr(0, colon), "content-disposition")) continue;
        auto value = line.substr(colon + 1);
        value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
        const auto disposition = parse_parameters(value);
        if (const auto* name = disposition.find("name")) {
            part.name = *name;
            named = true;
        }
        if (const auto* file_name = disposition.find("filename")) part.file_name = *file_name;
        if (disposition.find("filename*") != nullptr && !part.file_name) part.file_name.emplace();
    }
    if (!named) return malformed("a part has no name in its Content-Disposition");
    if (++parts_ > kMostParts) return malformed(std::format("it has over {} parts", kMostParts));
    if (auto begun = handler_.begin_part(std::move(part)); !begun) return std::unexpected(std::move(begun).error());
    state_ = State::data;
    return true;
}

}  // namespace hotmic::http
