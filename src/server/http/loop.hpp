/// Threads that serve sockets. Everything of one connection happens on one loop, so it needs no locks.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace hotmic::http {

/// Something that wants to be asked again and again, for deadlines and streams.
class Ticking {
public:
    Ticking() = default;
    Ticking(const Ticking&) = delete;
    Ticking& operator=(const Ticking&) = delete;
    virtual ~Ticking() = default;
    /// False once it is over.
    [[nodiscard]] virtual bool tick() = 0;
};

/// How often.
inline constexpr std::chrono::milliseconds kTick{50};

/// One thread's worth of connections.
class Loop {
public:
    /// A timer; destroyed, it does nothing more. On the loop's thread.
    using Timer = std::shared_ptr<void>;

    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Runs `task` on the loop, after what was posted before. Any thread.
    void post(std::function<void()> task);
    /// Runs `task` once after so long. Any thread.
    void after(std::chrono::milliseconds time, std::function<void()> task);
    /// Runs `task` again and again. On the loop's thread.
    [[nodiscard]] Timer every(std::chrono::milliseconds period, std::function<void()> task);
    /// Keeps `each` and ticks it until it is over. On the loop's thread.
    void watch(std::shared_ptr<Ticking> each);

    /// Serves on the calling thread until `stop`.
    void run();
    /// Any thread.
    void stop();
    [[nodiscard]] boost::asio::io_context& context() noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// A loop for the thread that owns this, for accepting and housekeeping, and as many more as there are threads for
/// connections.
class Loops {
public:
    explicit Loops(int threads);
    /// Stops and joins.
    ~Loops();
    Loops(const Loops&) = delete;
    Loops& operator=(const Loops&) = delete;

    [[nodiscard]] Loop& main() noexcept { return main_; }
    /// The one whose turn it is. On the main loop.
    [[nodiscard]] Loop& next() noexcept;
    /// All of them, the main one first.
    [[nodiscard]] std::vector<Loop*> all();

    /// Serves until `stop`; the main loop is the calling thread.
    void run();
    /// Any thread.
    void stop();

private:
    struct Threads;
    Loop main_;
    std::vector<std::unique_ptr<Loop>> loops_;
    std::size_t turn_ = 0;
    std::unique_ptr<Threads> threads_;
};

}  // namespace hotmic::http
