/// Mutexes of which the compiler knows what they guard.
///
///     Mutex mutex_;
///     std::deque<Task> tasks_ HOTMIC_GUARDED_BY(mutex_);
///     void take_one() HOTMIC_REQUIRES(mutex_);
///
/// Clang's analysis (dev/tidy) then refuses code that touches `tasks_`, or calls `take_one`, without the mutex. It
/// looks at one function at a time, compares mutexes by how they are written, and leaves constructors and destructors
/// out. A lambda is a function of its own, which says so where it runs with the mutex held:
/// `[this] HOTMIC_REQUIRES(mutex_) { … }`. https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

#if defined(__clang__)
#define HOTMIC_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define HOTMIC_THREAD_SAFETY(attribute)
#endif

/// Of a member: touched with the mutex held only. Behind a pointer: what it points to is, not the pointer.
#define HOTMIC_GUARDED_BY(mutex) HOTMIC_THREAD_SAFETY(guarded_by(mutex))
#define HOTMIC_POINTEE_GUARDED_BY(mutex) HOTMIC_THREAD_SAFETY(pt_guarded_by(mutex))
/// Of a function: called with the mutex held.
#define HOTMIC_REQUIRES(...) HOTMIC_THREAD_SAFETY(requires_capability(__VA_ARGS__))
/// Of a function: called without the mutex, which it takes itself.
#define HOTMIC_EXCLUDES(...) HOTMIC_THREAD_SAFETY(locks_excluded(__VA_ARGS__))
/// Of a mutex: who takes both takes this one first.
#define HOTMIC_ACQUIRED_BEFORE(...) HOTMIC_THREAD_SAFETY(acquired_before(__VA_ARGS__))

namespace hotmic {

class HOTMIC_THREAD_SAFETY(capability("mutex")) Mutex {
public:
    Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

private:
    friend class Lock;
    friend class Unlock;
    std::mutex mutex_;
};

/// Holds a mutex until it goes out of scope, but for the time between `unlock` and `lock`.
class HOTMIC_THREAD_SAFETY(scoped_lockable) Lock {
public:
    explicit Lock(Mutex& mutex) HOTMIC_THREAD_SAFETY(acquire_capability(mutex)) : lock_(mutex.mutex_) {}
    ~Lock() HOTMIC_THREAD_SAFETY(release_capability()) = default;
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    void lock() HOTMIC_THREAD_SAFETY(acquire_capability()) { lock_.lock(); }
    void unlock() HOTMIC_THREAD_SAFETY(release_capability()) { lock_.unlock(); }

private:
    friend class Condition;
    friend class StoppableCondition;
    std::unique_lock<std::mutex> lock_;
};

/// Lets a mutex go that a caller holds, until it goes out of scope.
class HOTMIC_THREAD_SAFETY(scoped_lockable) Unlock {
public:
    explicit Unlock(Mutex& mutex) HOTMIC_THREAD_SAFETY(release_capability(mutex)) : mutex_(mutex.mutex_) {
        mutex_.unlock();
    }
    ~Unlock() HOTMIC_THREAD_SAFETY(release_capability()) { mutex_.lock(); }
    Unlock(const Unlock&) = delete;
    Unlock& operator=(const Unlock&) = delete;

private:
    std::mutex& mutex_;
};

/// Threads wait here for something that a mutex guards to change. Each wait lets the lock go meanwhile and ends with it
/// held.
class Condition {
public:
    void notify_one() noexcept { condition_.notify_one(); }
    void notify_all() noexcept { condition_.notify_all(); }

    /// May end without a reason, so the caller looks again.
    void wait(Lock& lock) { condition_.wait(lock.lock_); }
    void wait_until(Lock& lock, std::chrono::steady_clock::time_point time) {
        (void)condition_.wait_until(lock.lock_, time);
    }

    /// Until `holds()`, which is called with the lock held; the others return what it says at the end.
    template <class Predicate>
    void wait(Lock& lock, Predicate holds) {
        condition_.wait(lock.lock_, std::move(holds));
    }
    template <class Predicate>
    bool wait_until(Lock& lock, std::chrono::steady_clock::time_point time, Predicate holds) {
        return condition_.wait_until(lock.lock_, time, std::move(holds));
    }
    template <class Rep, class Period, class Predicate>
    bool wait_for(Lock& lock, std::chrono::duration<Rep, Period> patience, Predicate holds) {
        return condition_.wait_for(lock.lock_, patience, std::move(holds));
    }

private:
    std::condition_variable condition_;
};

/// Likewise, and a wait also ends when its thread is asked to stop. That costs a second mutex.
class StoppableCondition {
public:
    void notify_one() noexcept { condition_.notify_one(); }
    void notify_all() noexcept { condition_.notify_all(); }

    /// Until `holds()`, which is called with the lock held, or a stop; all return what it says at the end.
    template <class Predicate>
    bool wait(Lock& lock, std::stop_token stop, Predicate holds) {
        return condition_.wait(lock.lock_, std::move(stop), std::move(holds));
    }
    template <class Predicate>
    bool wait_until(Lock& lock, std::stop_token stop, std::chrono::steady_clock::time_point time, Predicate holds) {
        return condition_.wait_until(lock.lock_, std::move(stop), time, std::move(holds));
    }
    template <class Rep, class Period, class Predicate>
    bool wait_for(Lock& lock, std::stop_token stop, std::chrono::duration<Rep, Period> patience, Predicate holds) {
        return condition_.wait_for(lock.lock_, std::move(stop), patience, std::move(holds));
    }
    /// Without a stop.
    template <class Predicate>
    void wait(Lock& lock, Predicate holds) {
        condition_.wait(lock.lock_, std::move(holds));
    }

private:
    std::condition_variable_any condition_;
};

}  // namespace hotmic
