#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels-types.h"

namespace dinf::cpu {
namespace {
struct Dot {
  static inline Floats widen(Halves halves) {
    __m128i parts[2];
    __builtin_memcpy(parts, &halves, sizeof parts);
    const __m256 wide[2] = {_mm256_cvtph_ps(parts[0]), _mm256_cvtph_ps(parts[1])};
    Floats all;
    __builtin_memcpy(&all, wide, sizeof all);
    return all;
  }
};
}  // namespace
}  // namespace dinf::cpu

#include "kernels-words.h"

namespace dinf::cpu {
const Kernels avx2 = {"avx2", roundToWords, multiplyWords, multiplyDense, attend, recall, normalise, activate, false};
}
#endif
