/// What becomes of a request whose head has been read, and nothing of its body.
#pragma once

#include <optional>

#include "server/http/budget.hpp"
#include "server/http/listener.hpp"
#include "server/http/message.hpp"
#include "server/http/request_parser.hpp"
#include "server/http/router.hpp"

namespace hotmic::http {

/// How things stand where the request came.
struct Circumstances {
    bool reserved = false;  ///< its connection is beyond the limit: only probes are answered
    bool followed = false;  ///< bytes have come behind the head
};

struct Dispatch {
    const Route* route = nullptr;                 ///< who is to have the request; null: `answer` is there
    std::optional<Response> answer{};             ///< at once, in a handler's place
    bool closes = false;                          ///< no other request is taken after the answer
    Budget::For purpose = Budget::For::anything;  ///< what the answer's bytes are counted as
};

/// Finds the route, notes it in the request with what is held for the head, and asks everybody who may refuse: hooks,
/// limits, the route's own check. `head`: its fields are in the request.
[[nodiscard]] Dispatch dispatch(const Service& service, const RequestPtr& request, const RequestHead& head,
                                Circumstances where);

}  // namespace hotmic::http
