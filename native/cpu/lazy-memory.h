// Memory that the system gives when it is first written to, and takes back on request. A cache of keys and values reserves its whole
// size at once, so nothing has to be copied when it grows.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace dinf::cpu {

/// Numbers that are zero until they are written.
class LazyNumbers {
 public:
  LazyNumbers() = default;
  LazyNumbers(LazyNumbers&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  LazyNumbers& operator=(LazyNumbers&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~LazyNumbers() { free(); }

  float* data() { return data_; }
  const float* data() const { return data_; }

// AddressSanitizer finds accesses outside of a block of the heap, and not those outside of a mapping.
#if defined(__SANITIZE_ADDRESS__)
  bool reserve(size_t count) {
    free();
    data_ = static_cast<float*>(std::calloc(count, sizeof(float)));
    bytes_ = count * sizeof(float);
    return data_ != nullptr;
  }
  void giveBack(size_t from) { std::memset(data_ + from, 0, bytes_ - from * sizeof(float)); }

 private:
  void free() { std::free(data_); }
#else
  /// False when the system has no address space left.
  bool reserve(size_t count) {
    free();
    data_ = nullptr;
    void* at = mmap(nullptr, count * sizeof(float), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return false;
    data_ = static_cast<float*>(at);
    bytes_ = count * sizeof(float);
    return true;
  }
  /// Gives back the memory of all numbers from this one on: they are zero again. A part of a page of the system stays.
  void giveBack(size_t from) {
    const size_t page = sysconf(_SC_PAGESIZE), begin = (from * sizeof(float) + page - 1) / page * page;
    if (begin >= bytes_) return;
    uint8_t* at = reinterpret_cast<uint8_t*>(data_) + begin;
#if defined(__linux__)
    madvise(at, bytes_ - begin, MADV_DONTNEED);
#else
    // On macOS MADV_DONTNEED keeps the memory: a new mapping takes the place of the old one.
    mmap(at, bytes_ - begin, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
#endif
  }

 private:
  void free() {
    if (data_ != nullptr) munmap(data_, bytes_);
  }
#endif

  float* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace dinf::cpu
