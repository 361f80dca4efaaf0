/// SHA-256 of what passes by, made on a thread beside the one that passes it, so that a transfer does not wait for it.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "system/mutex.hpp"
#include "text/sha256.hpp"

namespace hotmic::store {

/// Used by one thread. Holds one piece while it is hashed: who is further ahead than that waits.
class Hasher {
public:
    /// Told of each piece that has been hashed, on the thread beside.
    using Hashed = std::function<void(std::uint64_t begin, std::uint64_t size)>;

    explicit Hasher(Hashed hashed) : hashed_(std::move(hashed)) {}
    Hasher(const Hasher&) = delete;
    Hasher& operator=(const Hasher&) = delete;

    /// Forgets what was, and goes on from `so_far`, which is of `size` bytes. From here to the next piece nothing runs
    /// beside.
    void begin(Sha256 so_far = {}, std::uint64_t size = 0);
    /// The next piece, which is taken: an empty one is left in its place.
    void take(std::vector<char>& piece);
    /// Lower-case hex, of everything so far; waits for it.
    [[nodiscard]] std::string hex();

private:
    void hash(std::vector<char>& piece);
    void wait();
    void work(const std::stop_token& stop);

    const Hashed hashed_;
    Sha256 digest_{};  // the thread's, while it is busy; as is the next
    std::uint64_t at_ = 0;
    std::vector<char> working_{};
    Mutex mutex_;
    StoppableCondition changed_;
    bool busy_ HOTMIC_GUARDED_BY(mutex_) = false;
    std::jthread thread_;  // last, and so gone first; begun with the first piece
};

}  // namespace hotmic::store
