// Threads that work on one phase of a step together. A phase lasts microseconds, so they spin a while before they sleep; and since
// other programs want the processors too, whoever is there does the work: nobody waits for a thread that has not begun.
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
  /// A ticket is the phase's number, how many shares it has, and which is next. Who has taken a share knows that the phase is not
  /// over before he is done with it.
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
  /// Where two threads meet on one processor, only yielding lets the other go on.
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
