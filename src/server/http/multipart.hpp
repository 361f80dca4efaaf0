/// multipart/form-data (RFC 7578), read as it comes and holding no more of it than a part's header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hotmic/error.hpp"

namespace hotmic::http {

/// The parser is ours because libraries for MIME read whole messages from files or memory, and form-data has to be
/// refused while it comes. It is small: what parameters look like is the header library's to know.
class MultipartParser {
public:
    static constexpr std::size_t kMostHeader = 8 << 10;  ///< of one part
    static constexpr std::size_t kMostParts = 128;

    struct Part {
        std::string name;
        std::optional<std::string> file_name{};
    };
    /// Takes what the form holds. An error of either ends the reading with it.
    class Handler {
    public:
        Handler() = default;
        Handler(const Handler&) = delete;
        Handler& operator=(const Handler&) = delete;
        virtual ~Handler() = default;
        [[nodiscard]] virtual Result<void> begin_part(Part part) = 0;
        [[nodiscard]] virtual Result<void> part_data(std::string_view bytes) = 0;
    };

    /// What the Content-Type says. Errors: invalid_request, where it is no form or names no sane boundary.
    [[nodiscard]] static Result<std::string> boundary_of(std::string_view content_type);

    /// `handler` must outlive it.
    MultipartParser(const std::string& boundary, Handler& handler);

    /// Errors: invalid_request, or the handler's; there is no way on after one.
    [[nodiscard]] Result<void> feed(std::string_view bytes);
    /// The body is over. Errors: invalid_request, where the form is not.
    [[nodiscard]] Result<void> finish() const;

private:
    enum class State : std::uint8_t { preamble, boundary, header, data, end };

    [[nodiscard]] Result<bool> step();
    [[nodiscard]] Result<bool> to_boundary(bool in_part);
    [[nodiscard]] Result<bool> take_header();

    const std::string delimiter_;
    Handler& handler_;
    State state_ = State::preamble;
    std::string held_ = "\r\n";  // so that the first boundary looks like the others
    std::size_t used_ = 0;       // of `held_`
    std::size_t parts_ = 0;
};

}  // namespace hotmic::http
