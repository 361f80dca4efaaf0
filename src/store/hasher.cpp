#include "store/hasher.hpp"

#include <cstdint>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "system/mutex.hpp"
#include "text/sha256.hpp"

namespace hotmic::store {

void Hasher::begin(Sha256 so_far, std::uint64_t size) {
    wait();
    digest_ = std::move(so_far);
    at_ = size;
}

std::string Hasher::hex() {
    wait();
    return digest_.hex();
}

void Hasher::hash(std::vector<char>& piece) {
    digest_.update(piece);
    if (!piece.empty()) hashed_(at_, piece.size());
    at_ += piece.size();
    piece.clear();
}

void Hasher::take(std::vector<char>& piece) {
    if (!thread_.joinable()) {
        try {
            thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
        } catch (const std::system_error&) {  // the system allows no more: then here, and slower
            hash(piece);
            return;
        }
    }
    wait();
    const Lock lock(mutex_);
    std::swap(piece, working_);
    busy_ = true;
    changed_.notify_all();
}

void Hasher::wait() {
    Lock lock(mutex_);
    changed_.wait(lock, [this] HOTMIC_REQUIRES(mutex_) { return !busy_; });
}

void Hasher::work(const std::stop_token& stop) {
    Lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] HOTMIC_REQUIRES(mutex_) { return busy_; })) {
        lock.unlock();
        hash(working_);
        lock.lock();
        busy_ = false;
        changed_.notify_all();
    }
}

}  // namespace hotmic::store
