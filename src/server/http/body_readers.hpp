/// Who reads the bodies of routes that do not read them as they come: those that want them whole, and those that want
/// none.
#pragma once

#include <memory>

#include "server/http/listener.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"

namespace hotmic::http {

/// For a route with `handle`, which is called once the body is there. A body that is larger than the route takes, or
/// than there is room for, is answered with an error. `route` and `service` outlive the reader.
[[nodiscard]] std::shared_ptr<BodyReader> reader_for(const Route& route, const Service& service, RequestPtr request,
                                                     Respond respond);

}  // namespace hotmic::http
