#include "kernels-types.h"

namespace dinf::cpu {
namespace {
struct Dot {
  static inline Floats widen(Halves halves) {
    Floats wide;
    for (int i = 0; i < LANES; i++) {
      const uint32_t sign = (uint32_t)(halves[i] & 0x8000) << 16, magnitude = (uint32_t)(halves[i] & 0x7fff) << 13;
      float scaled;
      __builtin_memcpy(&scaled, &magnitude, 4);
      scaled *= 0x1p112f;
      uint32_t bits;
      __builtin_memcpy(&bits, &scaled, 4);
      bits |= sign;
      __builtin_memcpy(&scaled, &bits, 4);
      wide[i] = scaled;
    }
    return wide;
  }
  static inline Bytes load(const uint8_t* from) { Bytes v; __builtin_memcpy(&v, from, sizeof v); return v; }
  static inline Bytes low(Bytes v) { return v & 15; }
  static inline Bytes high(Bytes v) { return v >> 4; }
  static inline const int8_t* input(const int8_t* four) { return four; }
  template <bool WIDE>
  static inline Ints add(Ints sum, Bytes weights, const int8_t* inputs) {
    for (int lane = 0; lane < LANES; lane++)
      for (int i = 0; i < 4; i++) sum[lane] += weights[lane * 4 + i] * inputs[i];
    return sum;
  }
};
}  // namespace
}  // namespace dinf::cpu

#include "kernels-body.h"

namespace dinf::cpu {
const Kernels portable = {"portable", roundInputs, multiplyPacked, multiplyDense, attend, normalise, activate};
}
