#include "server/http/loop.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "system/mutex.hpp"

namespace hotmic::http {

namespace asio = boost::asio;

struct Loop::Impl {
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    asio::steady_timer ticker{context};
    std::vector<std::shared_ptr<Ticking>> ticking;  // the loop's
    Mutex mutex;
    std::deque<std::function<void()>> tasks HOTMIC_GUARDED_BY(mutex);

    /// A queue of our own: the library's may let what another thread posts overtake what the loop's own thread posted
    /// before.
    void post(std::function<void()> task) {
        {
            const Lock lock(mutex);
            tasks.push_back(std::move(task));
            if (tasks.size() > 1) return;
        }
        asio::post(context, [this] { run_tasks(); });
    }

    void run_tasks() {
        std::deque<std::function<void()>> now;
        {
            const Lock lock(mutex);
            now.swap(tasks);
        }
        for (auto& task : now) {
            task();
            task = nullptr;
        }
    }

    void tick() {
        ticker.expires_after(kTick);
        ticker.async_wait([this](const boost::system::error_code& ec) {
            if (ec) return;
            // By index: a tick may make a connection that is watched, too.
            for (std::size_t i = 0; i < ticking.size();) {
                if (ticking[i]->tick()) {
                    ++i;
                } else {
                    std::swap(ticking[i], ticking.back());
                    ticking.pop_back();
                }
            }
            tick();
        });
    }
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
    impl_->tick();
}
Loop::~Loop() = default;

void Loop::post(std::function<void()> task) {
    impl_->post(std::move(task));
}

void Loop::after(std::chrono::milliseconds time, std::function<void()> task) {
    impl_->post([this, time, task = std::move(task)]() mutable {
        const auto timer = std::make_shared<asio::steady_timer>(impl_->context, time);
        timer->async_wait([timer, task = std::move(task)](const boost::system::error_code& ec) {
            if (!ec) task();
        });
    });
}

namespace {

struct Repeating : std::enable_shared_from_this<Repeating> {
    Repeating(asio::io_context& context, std::chrono::milliseconds each, std::function<void()> what)
        : timer(context), period(each), task(std::move(what)) {}
    void next() {
        timer.expires_after(period);
        timer.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
            const auto self = weak.lock();
            if (ec || !self) return;
            self->task();
            self->next();
        });
    }
    asio::steady_timer timer;
    std::chrono::milliseconds period;
    std::function<void()> task;
};

}  // namespace

Loop::Timer Loop::every(std::chrono::milliseconds period, std::function<void()> task) {
    auto repeating = std::make_shared<Repeating>(impl_->context, period, std::move(task));
    repeating->next();
    return repeating;
}

void Loop::watch(std::shared_ptr<Ticking> each) {
    impl_->ticking.push_back(std::move(each));
}

void Loop::run() {
    impl_->context.run();
}
void Loop::stop() {
    impl_->context.stop();
}
asio::io_context& Loop::context() noexcept {
    return impl_->context;
}

struct Loops::Threads {
    std::vector<std::jthread> all;
};

Loops::Loops(int threads) : threads_(std::make_unique<Threads>()) {
    for (int i = 0; i < threads; ++i) loops_.push_back(std::make_unique<Loop>());
}

Loops::~Loops() {
    stop();
    threads_.reset();
}

Loop& Loops::next() noexcept {
    return *loops_[turn_++ % loops_.size()];
}

std::vector<Loop*> Loops::all() {
    std::vector<Loop*> every{&main_};
    for (auto& loop : loops_) every.push_back(loop.get());
    return every;
}

void Loops::run() {
    for (auto& loop : loops_) threads_->all.emplace_back([&loop] { loop->run(); });
    main_.run();
    stop();
    threads_->all.clear();
}

void Loops::stop() {
    main_.stop();
    for (auto& loop : loops_) loop->stop();
}

}  // namespace hotmic::http
