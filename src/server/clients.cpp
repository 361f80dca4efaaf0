#include "server/clients.hpp"

#include <cstddef>
#include <format>
#include <optional>
#include <string>
#include <utility>

#include "hotmic/error.hpp"
#include "system/mutex.hpp"

namespace hotmic::server {

Result<Clients::Ticket> Clients::admit(const std::string& client, What what) {
    const auto most = most_.at(std::to_underlying(what));
    if (most == 0) return Ticket{};
    if (auto ticket = admit(client, what, most)) return *std::move(ticket);
    const bool request = what == What::request;
    return fail(
        ErrorCode::queue_full,
        std::format("{} has {} {} under way, and may have no more", client, most, request ? "requests" : "streams"),
        std::format("wait for one of them to end, or raise server.max_{}_per_client",
                    request ? "requests" : "streams"));
}

std::optional<Clients::Ticket> Clients::admit(const std::string& client, What what, std::size_t most) {
    const Lock lock(mutex_);
    auto& count = under_way_[{client, what}];
    if (most > 0 && count >= most) return std::nullopt;
    ++count;
    return Ticket(*this, {client, what});
}

void Clients::give_back(const Ticket::Key& key) {
    const Lock lock(mutex_);
    if (--under_way_.at(key) == 0) under_way_.erase(key);
}

}  // namespace hotmic::server
