#include "server/http/respond_once.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "server/http/message.hpp"

namespace hotmic::http {
namespace {

struct Promise {
    explicit Promise(std::function<void(std::optional<Response>)> how) : answer(std::move(how)) {}
    Promise(const Promise&) = delete;
    Promise& operator=(const Promise&) = delete;
    ~Promise() {
        if (!kept) answer(std::nullopt);
    }

    std::function<void(std::optional<Response>)> answer;
    std::atomic<bool> kept{false};
};

}  // namespace

Respond respond_once(std::function<void(std::optional<Response>)> answer) {
    return [promise = std::make_shared<Promise>(std::move(answer))](Response response) {
        if (!promise->kept.exchange(true)) promise->answer(std::move(response));
    };
}

}  // namespace hotmic::http
