// Converts a 16-bit float in software, for processors without an instruction for it. It includes
// nothing, for the reason given in kernels.h.
#pragma once

#include <stdint.h>

namespace dinf::cpu {
namespace {
inline float halfToFloat(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = (uint32_t)(half & 0x7fff) << 13;
  float scaled;
  __builtin_memcpy(&scaled, &magnitude, 4);
  scaled *= 0x1p112f;
  uint32_t bits;
  __builtin_memcpy(&bits, &scaled, 4);
  bits |= sign;
  __builtin_memcpy(&scaled, &bits, 4);
  return scaled;
}
}  // namespace
}  // namespace dinf::cpu
