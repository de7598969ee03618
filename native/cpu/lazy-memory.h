// Memory that the operating system provides when it is first written to, and takes back on request.
// A cache of keys and values reserves its whole size at once, so it can grow without being copied.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace dinf::cpu {

/// An array of numbers that are zero until they are written.
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

// AddressSanitizer detects accesses outside of a heap block, but not those outside of a memory
// mapping, so the sanitized build uses the heap.
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
  /// Returns false if the system has no address space left.
  bool reserve(size_t count) {
    free();
    data_ = nullptr;
    void* at = mmap(nullptr, count * sizeof(float), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return false;
    data_ = static_cast<float*>(at);
    bytes_ = count * sizeof(float);
    return true;
  }
  /// Returns the memory of all numbers from this index on to the system; they are zero again. If
  /// `from` lies inside a page of the system, that page stays, with its contents.
  void giveBack(size_t from) {
    const size_t page = sysconf(_SC_PAGESIZE), begin = (from * sizeof(float) + page - 1) / page * page;
    if (begin >= bytes_) return;
    uint8_t* at = reinterpret_cast<uint8_t*>(data_) + begin;
#if defined(__linux__)
    madvise(at, bytes_ - begin, MADV_DONTNEED);
#else
    // On macOS, MADV_DONTNEED does not release the memory, so a new mapping replaces the old one.
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
