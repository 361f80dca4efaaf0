#include "server/http/response_writer.hpp"

#include <format>
#include <string>
#include <utility>

#include "server/http/fields.hpp"
#include "server/http/message.hpp"

namespace hotmic::http {

bool may_have_body(int status) noexcept {
    return status != 204 && status != 304;
}

std::string head_of(const Response& response, const Framing& framing) {
    auto head = std::format("HTTP/1.1 {} {}\r\n", response.status, reason_of(response.status));
    if (framing.is_chunked) {
        head += "transfer-encoding: chunked\r\n";
    } else if (!response.stream && may_have_body(response.status)) {
        head += std::format("content-length: {}\r\n", response.body.size());
    }
    if (!response.headers.has("connection") && (!framing.keep_alive || framing.is_http_10))
        head += framing.keep_alive ? "connection: keep-alive\r\n" : "connection: close\r\n";
    for (const auto& [name, value] : response.headers) head += std::format("{}: {}\r\n", lower_case(name), value);
    return head += "\r\n";
}

std::string framed(Piece piece, const Framing& framing) {
    if (!framing.is_chunked) return std::move(piece.text);
    std::string text;
    if (!piece.text.empty()) text = std::format("{:x}\r\n{}\r\n", piece.text.size(), piece.text);
    if (piece.last) text += "0\r\n\r\n";
    return text;
}

}  // namespace hotmic::http
