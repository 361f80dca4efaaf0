#include "server/http/message.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "server/http/fields.hpp"

namespace hotmic::http {
namespace {

constexpr std::array<std::string_view, 8> kMethods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", ""};

}  // namespace

Method method_of(std::string_view name) noexcept {
    const auto* found = std::ranges::find(kMethods, name);
    return found == kMethods.end() ? Method::other : static_cast<Method>(found - kMethods.begin());
}

std::string_view to_string(Method method) noexcept {
    return kMethods.at(std::to_underlying(method));
}

std::string Request::parameter(std::string_view name) const {
    const auto found = std::ranges::find(query, name, &Fields::Field::first);
    return found == query.end() ? std::string{} : found->second;
}

std::string_view reason_of(int status) noexcept {
    if (status == 499) return "Client Closed Request";
    return boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(static_cast<unsigned>(status)));
}

}  // namespace hotmic::http
