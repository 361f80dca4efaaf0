#include "server/http/router.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/message.hpp"

namespace hotmic::http {
namespace {

/// Text, then what a name stands for; the last has no name where the pattern ends in text.
struct Step {
    std::string text;
    bool has_name = false;
    bool many = false;
};

std::vector<Step> steps_of(std::string_view pattern) {
    std::vector<Step> steps;
    while (!pattern.empty()) {
        const auto begin = pattern.find('{');
        Step step{.text = std::string(pattern.substr(0, begin))};
        pattern.remove_prefix(begin == pattern.npos ? pattern.size() : begin);
        if (const auto end = pattern.find('}'); end != pattern.npos) {
            step.has_name = true;
            step.many = pattern.substr(0, end).ends_with("...");
            pattern.remove_prefix(end + 1);
        }
        steps.push_back(std::move(step));
    }
    return steps;
}

bool fits(std::span<const Step> steps, std::string_view path, std::vector<std::string>& captures) {
    if (steps.empty()) return path.empty();
    const auto& step = steps.front();
    if (!path.starts_with(step.text)) return false;
    path.remove_prefix(step.text.size());
    if (!step.has_name) return path.empty();
    // The longest first, so that a name before "/load" may hold slashes.
    const auto most = step.many ? path.size() : std::min(path.find('/'), path.size());
    for (auto length = most; length > 0; --length) {
        captures.emplace_back(path.substr(0, length));
        if (fits(steps.subspan(1), path.substr(length), captures)) return true;
        captures.pop_back();
    }
    return false;
}

}  // namespace

struct Router::Entry {
    Route route;
    std::vector<Step> steps;
    std::size_t names;
};

void Router::add(Route route) {
    auto steps = steps_of(route.pattern);
    const auto names = static_cast<std::size_t>(std::ranges::count_if(steps, &Step::has_name));
    const auto entry = std::make_shared<const Entry>(std::move(route), std::move(steps), names);
    entries_.insert(std::ranges::upper_bound(entries_, names, {}, [](const auto& each) { return each->names; }), entry);
}

void Router::add_check(Route route) {
    auto options = route;
    options.method = Method::options;
    options.handle = [get = route.handle](const RequestPtr& request, const Respond& respond) {
        get(request, [request, respond](Response response) {
            const bool preflight = request->headers.has("access-control-request-method");
            if (preflight || response.status < 300) response = {.status = 204};
            response.headers.set("Allow", "OPTIONS, GET, HEAD");
            respond(std::move(response));
        });
    };
    add(std::move(route));
    add(std::move(options));
}

Router::Match Router::find(Method method, std::string_view path) const {
    Match match;
    for (const auto& entry : entries_) {
        std::vector<std::string> captures;
        if (!fits(entry->steps, path, captures)) continue;
        const auto& route = entry->route;
        if (!std::ranges::contains(match.methods, route.method)) match.methods.push_back(route.method);
        const bool serves = route.method == method || (method == Method::head && route.method == Method::get);
        if (!serves || match.route != nullptr) continue;
        match.route = &route;
        match.captures = std::move(captures);
    }
    return match;
}

}  // namespace hotmic::http
