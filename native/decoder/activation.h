// The activation between the matrices of an MLP. This file includes nothing, because the kernels
// include it.
#pragma once

namespace dinf {

enum class Activation {
  silu,
  gelu,
  /// gate·sigmoid(1.702·gate)·(up + 1), with gate and up limited in size.
  clampedSilu,
};

}  // namespace dinf
