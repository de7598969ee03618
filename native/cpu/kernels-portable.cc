#include "half.h"
#include "kernels-types.h"

namespace dinf::cpu {
namespace {
struct Dot {
  static inline Floats widen(Halves halves) {
    Floats wide;
    for (int i = 0; i < LANES; i++) wide[i] = halfToFloat(halves[i]);
    return wide;
  }
  static inline Bytes sumsOf(Bytes codes) {
    for (int i = 0; i < 4 * LANES; i++) codes[i] = MXFP4_SUMS[codes[i]];
    return codes;
  }
  static inline const int8_t* input(const int8_t* four) { return four; }
  static constexpr bool TAKES_BYTES = true;
  static inline Ints add(Ints sum, Bytes weights, const int8_t* inputs) {
    for (int lane = 0; lane < LANES; lane++)
      for (int i = 0; i < 4; i++) sum[lane] += weights[lane * 4 + i] * inputs[i];
    return sum;
  }
};
}  // namespace
}  // namespace dinf::cpu

#include "kernels-bytes.h"

namespace dinf::cpu {
const Kernels portable = {"portable", roundInputs, multiplyPacked, multiplyDense, attend, recall, normalise, activate, true};
}
