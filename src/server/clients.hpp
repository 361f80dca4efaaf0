/// How much each client may have under way, so that one does not keep the others waiting.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "hotmic/error.hpp"
#include "system/mutex.hpp"

namespace hotmic::server {

/// A client is an address, or a key's name. Behind a proxy all addresses are one: leave their limits off there.
/// Thread-safe.
class Clients {
public:
    enum class What : std::uint8_t { request, stream };

    /// One request or stream; given back when destroyed. `Clients` must outlive it.
    class Ticket {
    public:
        Ticket() = default;
        Ticket(Ticket&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), key_(std::move(other.key_)) {}
        Ticket& operator=(Ticket&& other) noexcept {
            std::swap(owner_, other.owner_);
            std::swap(key_, other.key_);
            return *this;
        }
        ~Ticket() {
            if (owner_) owner_->give_back(key_);
        }

    private:
        friend class Clients;
        using Key = std::pair<std::string, What>;
        Ticket(Clients& owner, Key key) : owner_(&owner), key_(std::move(key)) {}
        Clients* owner_ = nullptr;
        Key key_{};
    };

    /// 0: as many as there is room for.
    Clients(std::size_t most_requests, std::size_t most_streams) : most_{most_requests, most_streams} {}

    /// Errors: queue_full, when this client has as many already.
    [[nodiscard]] Result<Ticket> admit(const std::string& client, What what);
    /// The same with a limit of its own; 0: counted only. Null, when this client has as many already.
    [[nodiscard]] std::optional<Ticket> admit(const std::string& client, What what, std::size_t most);

private:
    void give_back(const Ticket::Key& key);

    const std::array<std::size_t, 2> most_;  // by What
    Mutex mutex_;
    std::map<Ticket::Key, std::size_t> under_way_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace hotmic::server
