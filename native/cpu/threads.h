// Threads that share the work of one phase of a step. A phase lasts microseconds, so idle threads
// spin for a while before they sleep. Other programs may occupy the processors, so each thread
// takes the next free share, and no thread waits for one that has not started a share.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace dinf::cpu {

class Threads {
 public:
  explicit Threads(int count) {
    for (int i = 1; i < count; i++) workers_.emplace_back([this, i] { work(i); });
  }
  ~Threads() {
    stopping_ = true;
    ticket_.fetch_add(EPOCH, std::memory_order_release);
    ticket_.notify_all();
    for (auto& worker : workers_) worker.join();
  }
  int count() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls `body(i, thread)` for each i below n, in any order, and returns when all are done.
  template <class Body>
  void each(int n, const Body& body) {
    if (n <= 1 || workers_.empty()) {
      for (int i = 0; i < n; i++) body(i, 0);
      return;
    }
    const uint64_t shares = std::min<uint64_t>(n, count() * SHARES_PER_THREAD);
    n_ = n;
    context_ = &body;
    call_ = [](const void* context, int from, int to, int thread) {
      for (int i = from; i < to; i++) (*static_cast<const Body*>(context))(i, thread);
    };
    done_.store(0, std::memory_order_relaxed);
    const uint64_t epoch = (ticket_.load(std::memory_order_relaxed) / EPOCH + 1) * EPOCH;
    ticket_.store(epoch | shares << SHARES_SHIFT, std::memory_order_release);
    ticket_.notify_all();
    take(0);
    for (int spins = 1; done_.load(std::memory_order_acquire) < shares; spins++) pause(spins);
  }

 private:
  /// A ticket holds the number of the phase, its number of shares and the next share, so that a
  /// thread takes a share only of the current phase. A phase does not end before all shares taken
  /// are done: otherwise a thread would call `body` through `context_` after its memory was
  /// released.
  static constexpr int SHARES_SHIFT = 16;
  static constexpr uint64_t EPOCH = uint64_t{1} << 32, LOW = 0xffff;
  static constexpr uint64_t SHARES_PER_THREAD = 4;

  /// Works until no share of the phase is left.
  void take(int thread) {
    for (uint64_t ticket = ticket_.load(std::memory_order_acquire);;) {
      const uint64_t shares = ticket >> SHARES_SHIFT & LOW, next = ticket & LOW;
      if (next >= shares) return;
      if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      call_(context_, static_cast<int>(n_ * next / shares), static_cast<int>(n_ * (next + 1) / shares), thread);
      done_.fetch_add(1, std::memory_order_release);
      ticket = ticket_.load(std::memory_order_acquire);
    }
  }
  void work(int thread) {
    for (;;) {
      uint64_t ticket = ticket_.load(std::memory_order_acquire);
      for (int spins = 1; (ticket & LOW) >= (ticket >> SHARES_SHIFT & LOW) && !stopping_; ticket = ticket_.load(std::memory_order_acquire), spins++) {
        if (spins < 4000) pause(spins);
        else ticket_.wait(ticket, std::memory_order_acquire);
      }
      if (stopping_) return;
      take(thread);
    }
  }
  /// If two threads share a processor, the other one can run only after this one yields.
  static void pause(int spins) {
    if (spins % 64 == 0) std::this_thread::yield();
#if defined(__x86_64__)
    else __builtin_ia32_pause();
#elif defined(__aarch64__)
    else asm volatile("yield");
#endif
  }

  std::vector<std::thread> workers_;
  std::atomic<uint64_t> ticket_{0}, done_{0};
  std::atomic<bool> stopping_{false};
  uint64_t n_ = 0;
  const void* context_ = nullptr;
  void (*call_)(const void*, int, int, int) = nullptr;
};

}  // namespace dinf::cpu
