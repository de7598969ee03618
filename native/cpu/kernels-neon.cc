// Kernels for 64-bit Arm processors with the dot product of bytes, such as every Apple chip since
// the M1.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels-types.h"

namespace dinf::cpu {
namespace {
struct Dot {
  static inline Floats widen(Halves halves) {
    uint16x4_t parts[4];
    __builtin_memcpy(parts, &halves, sizeof parts);
    float32x4_t wide[4];
    for (int i = 0; i < 4; i++) wide[i] = vcvt_f32_f16(vreinterpret_f16_u16(parts[i]));
    Floats all;
    __builtin_memcpy(&all, wide, sizeof all);
    return all;
  }
  static inline Bytes sumsOf(Bytes codes) {
    const uint8x16_t table = vld1q_u8(MXFP4_SUMS);
    uint8x16_t parts[4];
    __builtin_memcpy(parts, &codes, sizeof parts);
    for (int i = 0; i < 4; i++) parts[i] = vqtbl1q_u8(table, parts[i]);
    __builtin_memcpy(&codes, parts, sizeof codes);
    return codes;
  }
  static inline int8x16_t input(const int8_t* from) {
    int32_t four;
    __builtin_memcpy(&four, from, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
  /// False, because the instruction treats both factors as signed bytes.
  static constexpr bool TAKES_BYTES = false;
  static inline Ints add(Ints sum, Bytes weights, int8x16_t x) {
    uint8x16_t parts[4];
    int32x4_t sums[4];
    __builtin_memcpy(parts, &weights, sizeof parts);
    __builtin_memcpy(sums, &sum, sizeof sums);
    for (int i = 0; i < 4; i++) sums[i] = vdotq_s32(sums[i], vreinterpretq_s8_u8(parts[i]), x);
    __builtin_memcpy(&sum, sums, sizeof sum);
    return sum;
  }
};
}  // namespace
}  // namespace dinf::cpu

#include "kernels-bytes.h"

namespace dinf::cpu {
const Kernels neon = {"neon", roundInputs, multiplyPacked, multiplyDense, attend, recall, normalise, activate, true};
}
#endif
