// Vectors of 16 elements of each type. The kernels compute only with these.
#pragma once

#include "kernels.h"

namespace dinf::cpu {
namespace {
typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));
typedef uint8_t Bytes __attribute__((vector_size(64)));
}  // namespace
}  // namespace dinf::cpu
