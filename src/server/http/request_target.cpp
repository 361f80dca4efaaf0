#include "server/http/request_target.hpp"

#include <algorithm>
#include <string_view>

#include "server/http/fields.hpp"
#include "server/http/message.hpp"

namespace hotmic::http {

bool set_target(Request& request, std::string_view target) {
    if (request.method == Method::options && target == "*") {
        request.target = request.path = "*";
        return true;
    }
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!same_name(target.substr(0, scheme.size()), scheme)) continue;
        target.remove_prefix(scheme.size());
        const auto slash = std::min(target.find_first_of("/?"), target.size());
        request.host = target.substr(0, slash);  // counts more than the field (RFC 9112, 3.2.2)
        target.remove_prefix(slash);
        if (target.empty()) target = "/";
        break;
    }
    if (!target.starts_with('/')) return false;
    request.target = target;
    const auto question = target.find('?');
    request.path = percent_decoded(target.substr(0, question));
    if (question != target.npos) request.query = parse_query(target.substr(question + 1));
    return true;
}

}  // namespace hotmic::http
