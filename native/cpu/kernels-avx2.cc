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
  static inline __m256i sumsOfHalf(__m256i codes) {
    __m128i table;
    __builtin_memcpy(&table, MXFP4_SUMS, sizeof table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), codes);
  }
  static inline Bytes sumsOf(Bytes codes) {
    __m256i halves[2];
    __builtin_memcpy(halves, &codes, sizeof halves);
    for (int i = 0; i < 2; i++) halves[i] = sumsOfHalf(halves[i]);
    __builtin_memcpy(&codes, halves, sizeof codes);
    return codes;
  }
  static inline __m256i input(const int8_t* from) {
    int32_t four;
    __builtin_memcpy(&four, from, 4);
    return _mm256_set1_epi32(four);
  }
  static constexpr bool HAS_WORDS = true;
  /// False, because the sum of two products must fit 16 bits, and weights of 8 bits could exceed
  /// that.
  static constexpr bool TAKES_BYTES = false;
  static inline Ints add(Ints sum, Bytes weights, __m256i x) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i halves[2], sums[2];
    __builtin_memcpy(halves, &weights, sizeof halves);
    __builtin_memcpy(sums, &sum, sizeof sums);
    for (int i = 0; i < 2; i++) sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(halves[i], x), ones));
    __builtin_memcpy(&sum, sums, sizeof sum);
    return sum;
  }
};
}  // namespace
}  // namespace dinf::cpu

#include "kernels-words.h"

namespace dinf::cpu {
const Kernels avx2 = {"avx2", roundToWords, multiplyWords, multiplyDense, attend, recall, normalise, activate};
}
#endif
