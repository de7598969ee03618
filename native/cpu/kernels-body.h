// What the instruction sets share besides the products of packed matrices. The file of each set defines a
// struct Dot, whose `widen` converts 16-bit numbers, and then includes kernels-bytes.h or kernels-words.h,
// which include this file. All other code uses vectors of 16 elements, which the compiler lowers to the
// available instructions, or registers.
#include "kernels-attention.h"

namespace dinf::cpu {
namespace {

inline Floats loadFloats(const float* from) { Floats v; memcpy(&v, from, sizeof v); return v; }

inline Floats loadNumbers(const void* at, Number type) {
  if (type == Number::f32) return loadFloats((const float*)at);
  Halves halves;
  memcpy(&halves, at, sizeof halves);
  return type == Number::f16 ? Dot::widen(halves) : (Floats)(__builtin_convertvector(halves, Ints) << 16);
}

/// If no input of a block is larger than this, all are rounded to zero: the inverse of their scale
/// could be infinite.
constexpr float LEAST_INPUT = 1e-30f;

/// How the numbers of one block are rounded.
struct Rounding {
  float scale, inverse;
  bool isFinite;
  int of(float x) const { return isFinite ? (int)__builtin_rintf(x * inverse) : 0; }
};

/// Largest rounded inputs, of 16 and of 8 bits.
constexpr float FINE_LARGEST = 32512.0f, LARGEST = 127.0f;

/// Integers cannot represent infinity or NaN, so a block with such an input gets the scale NaN, and its
/// products become NaN too. Weights that are too large, or that are themselves infinite or NaN, produce
/// such inputs.
inline Rounding roundingOf(const float* x, int n, float largest) {
  // Without their sign, numbers have the order of their bits, and those that are not finite the largest
  // ones. The compiler vectorises the maximum of integers, but not that of floats.
  int32_t mostBits = 0;
  for (int i = 0; i < n; i++) {
    int32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffff;
    mostBits = bits > mostBits ? bits : mostBits;
  }
  if (mostBits >= 0x7f800000) return {__builtin_nanf(""), 0, false};
  float most;
  memcpy(&most, &mostBits, sizeof most);
  return {most / largest, most > LEAST_INPUT ? largest / most : 0, true};
}

/// The codes of a packed matrix: one byte each, or two in a byte.
enum class Codes { bytes, nibbles, mxfp4 };

/// Multiplies one row by N inputs, a number that the compiler knows.
template <int N, class Read>
inline void multiplyDenseRow(int in, const Read& read, const float* const* x, int row, float* const* out) {
  Register sums[N][PARTS] = {};
  int i = 0;
  for (; i + LANES <= in; i += LANES) {
    const Floats w = read(i, LANES);
    for (int p = 0; p < PARTS; p++)
      for (int t = 0; t < N; t++) sums[t][p] += load((const float*)&w + p * WIDTH) * load(x[t] + i + p * WIDTH);
  }
  if (i < in) {
    const Floats w = read(i, in - i);
    for (int p = 0; p < PARTS; p++)
      for (int t = 0; t < N; t++) sums[t][p] += load((const float*)&w + p * WIDTH) * loadPart(x[t] + i + p * WIDTH, in - i - p * WIDTH, 0);
  }
  for (int t = 0; t < N; t++) out[t][row] = total(sums[t]);
}

template <Number TYPE>
inline void multiplyDenseOf(const Dense& w, int row, const float* const* x, int n, float* const* out) {
  constexpr int SIZE = TYPE == Number::f32 ? 4 : 2;
  const uint8_t* from = (const uint8_t*)w.values + (size_t)row * w.in * SIZE;
  const auto read = [from](int i, int count) {
    if (count == LANES) return loadNumbers(from + (size_t)i * SIZE, TYPE);
    uint8_t padded[LANES * 4] = {};
    memcpy(padded, from + (size_t)i * SIZE, count * SIZE);
    return loadNumbers(padded, TYPE);
  };
  static_assert(TILE == 4);
  if (n == 4) multiplyDenseRow<4>(w.in, read, x, row, out);
  else if (n == 3) multiplyDenseRow<3>(w.in, read, x, row, out);
  else if (n == 2) multiplyDenseRow<2>(w.in, read, x, row, out);
  else multiplyDenseRow<1>(w.in, read, x, row, out);
}

void multiplyDense(const Dense& w, int row, const float* const* x, int n, float* const* out) {
  if (w.type == Number::f32) multiplyDenseOf<Number::f32>(w, row, x, n, out);
  else if (w.type == Number::f16) multiplyDenseOf<Number::f16>(w, row, x, n, out);
  else multiplyDenseOf<Number::bf16>(w, row, x, n, out);
}

/// Computes n columns of `recall`, at most WIDTH.
inline __attribute__((always_inline)) void recallColumns(const Recall& r, int column, int n) {
  float* const memory = r.memory + column;
  Register found{}, read{};
  for (int i = 0; i < r.keyDim; i++) found += loadPart(memory + (size_t)i * r.valueDim, n, 0) * r.key[i];
  const Register change = (loadPart(r.value + column, n, 0) - found * r.kept) * r.write;
  for (int i = 0; i < r.keyDim; i++) {
    float* const row = memory + (size_t)i * r.valueDim;
    const Register made = loadPart(row, n, 0) * r.kept + change * r.key[i];
    memcpy(row, &made, n * sizeof(float));
    read += made * r.query[i];
  }
  read = read * r.scale;
  memcpy(r.out + column, &read, n * sizeof(float));
}

/// Lets the memory fade, replaces what the key finds in it by the value, and reads it with the query.
void recall(const Recall& r) {
  int column = 0;
  for (; column + WIDTH <= r.valueDim; column += WIDTH) recallColumns(r, column, WIDTH);
  if (column < r.valueDim) recallColumns(r, column, r.valueDim - column);
}

void normalise(const float* x, const float* weight, int n, float eps, float* out) {
  const float factor = 1.0f / __builtin_sqrtf(dot(x, x, n) / n + eps);
  for (int i = 0; i < n; i++) out[i] = x[i] * factor * weight[i];
}

inline Register clamp(Register x, float least, float most) {
  x = x > most ? spread(most) : x;
  return x < least ? spread(least) : x;
}

void activate(float* gate, const float* up, int n, Activation activation, float limit) {
  const bool clamped = activation == Activation::clampedSilu;
  for (int i = 0; i < n; i += WIDTH) {
    const int count = n - i < WIDTH ? n - i : WIDTH;
    Register x = loadPart(gate + i, count, 0), u = loadPart(up + i, count, 0);
    if (clamped) x = clamp(x, -__builtin_inff(), limit), u = clamp(u, -limit, limit) + 1.0f;
    // The tanh approximation of GELU equals x·sigmoid(2·inner polynomial).
    const Register inner = activation == Activation::gelu ? (x + x * x * x * 0.044715f) * 1.5957691216f : clamped ? x * 1.702f : x;
    const Register made = x / (exponential(-inner) + 1.0f) * u;
    memcpy(gate + i, &made, count * sizeof(float));
  }
}

}  // namespace
}  // namespace dinf::cpu
