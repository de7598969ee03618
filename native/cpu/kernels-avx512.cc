// Kernels for processors with AVX-512 and its dot product of bytes (VNNI).
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels-types.h"

namespace dinf::cpu {
namespace {
struct Dot {
  static inline Floats widen(Halves halves) { return (Floats)_mm512_maskz_cvtph_ps(0xffff, (__m256i)halves); }
  static inline Bytes sumsOf(Bytes codes) {
    __m128i table;
    __builtin_memcpy(&table, MXFP4_SUMS, sizeof table);
    return (Bytes)_mm512_shuffle_epi8(_mm512_maskz_broadcast_i32x4(0xffff, table), (__m512i)codes);
  }
  static inline __m512i input(const int8_t* from) {
    int32_t four;
    __builtin_memcpy(&four, from, 4);
    return _mm512_set1_epi32(four);
  }
  static constexpr bool TAKES_BYTES = true;
  static inline Ints add(Ints sum, Bytes weights, __m512i input) {
    return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)weights, input);
  }
};
}  // namespace
}  // namespace dinf::cpu

#include "kernels-bytes.h"

namespace dinf::cpu {
const Kernels avx512 = {"avx512", roundInputs, multiplyPacked, multiplyDense, attend, recall, normalise, activate, true};
}
#endif
