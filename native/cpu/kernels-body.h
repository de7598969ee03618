// Each instruction set's file includes this file once, after it has defined a struct Dot: `input`
// spreads four inputs, `sumsOf` looks up the numbers of MXFP4's codes, `add` adds their products with
// each lane's four weights, TAKES_BYTES is true if `add` accepts weights of more than 4 bits undivided,
// HAS_WORDS if the file multiplies inputs of 16 bits by itself, and `widen` converts 16-bit numbers. All
// other code uses vectors of 16 elements, which the compiler lowers to the available instructions, or
// registers.
#include "kernels-attention.h"

namespace dinf::cpu {
namespace {

inline Floats loadFloats(const float* from) { Floats v; memcpy(&v, from, sizeof v); return v; }

inline Bytes low(Bytes v) { return v & 15; }
inline Bytes high(Bytes v) { return v >> 4; }

/// Adds the products of weights and inputs. Weights have up to 4 bits, or up to 8 if WIDE. Where
/// `Dot::add` does not accept more than 4 bits, each weight is multiplied as two halves of 4 bits.
template <bool WIDE, class Input>
inline Ints addProducts(Ints sum, Bytes weights, Input input) {
  if (!WIDE || Dot::TAKES_BYTES) return Dot::add(sum, weights, input);
  return Dot::add(sum, low(weights), input) + (Dot::add(Ints{}, high(weights), input) << 4);
}

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

/// Rounds n inputs to integers, block by block.
void roundInputs(const float* x, int n, int block, bool fine, int8_t* values, float* scales, float* sums) {
  int8_t* lows = values + n;
  for (int b = 0; b < n / block; b++, x += block, values += block, lows += block) {
    const Rounding rounding = roundingOf(x, block, fine ? FINE_LARGEST : LARGEST);
    int sum = 0;
    for (int i = 0; i < block; i++) {
      const int q = rounding.of(x[i]);
      sum += q;
      if (!fine) {
        values[i] = (int8_t)q;
        continue;
      }
      const int high = (q + 128) >> 8;
      values[i] = (int8_t)high;
      lows[i] = (int8_t)(q - high * 256);
    }
    scales[b] = rounding.scale;
    sums[b] = rounding.scale * sum;
  }
}

/// The codes of a packed matrix: one byte each, or two in a byte.
enum class Codes { bytes, nibbles, mxfp4 };

/// Multiplies BLOCKS blocks of rows by N inputs. Each input is read once for all blocks, and each
/// weight once for all inputs.
template <int N, int BLOCKS, Codes CODES, bool FINE>
inline __attribute__((always_inline)) void multiplyTile(const Packed& w, int block, const Rounded& x, const int* rows, float* const* out) {
  constexpr bool NIBBLES = CODES != Codes::bytes, MXFP4 = CODES == Codes::mxfp4;
  const int groups = w.in / w.group, blockSize = w.block(), perGroup = w.group / blockSize;
  const uint8_t* values[BLOCKS];
  const uint8_t* scales[BLOCKS];
  for (int r = 0; r < BLOCKS; r++) {
    values[r] = w.values + (block + r) * w.blockBytes();
    scales[r] = w.scales + (size_t)(block + r) * groups * w.groupBytes();
  }
  const int8_t* inputs[N];
  const float *inputScales[N], *inputSums[N];
  // The sums stay in memory, because the inner loop needs the registers for its integer sums.
  // Without the empty assembly statement, the compiler keeps these sums in registers and spills the
  // others.
  Floats room[BLOCKS * N] = {};
  Floats* sums = room;
  asm volatile("" : "+r"(sums) : : "memory");
  for (int t = 0; t < N; t++) {
    inputs[t] = x.values + (size_t)rows[t] * x.in * (FINE ? 2 : 1);
    inputScales[t] = x.scales + (size_t)rows[t] * x.blocks;
    inputSums[t] = x.sums + (size_t)rows[t] * x.blocks;
  }
  int column = 0;
  for (int b = 0; b < groups * perGroup; b++) {
    Ints highs[BLOCKS][N], lows[BLOCKS][N];
    for (int r = 0; r < BLOCKS; r++)
      for (int t = 0; t < N; t++) highs[r][t] = lows[r][t] = Ints{};
    for (int end = column + blockSize; column < end; column += NIBBLES ? 8 : 4) {
      Bytes parts[NIBBLES ? 2 : 1][BLOCKS];
      for (int r = 0; r < BLOCKS; r++) {
        Bytes read;
        memcpy(&read, values[r], sizeof read);
        values[r] += 4 * LANES;
        parts[0][r] = NIBBLES ? low(read) : read;
        if (NIBBLES) parts[NIBBLES][r] = high(read);
        if (MXFP4) parts[0][r] = Dot::sumsOf(parts[0][r]), parts[NIBBLES][r] = Dot::sumsOf(parts[NIBBLES][r]);
      }
      for (int half = 0; half < (NIBBLES ? 2 : 1); half++)
        for (int t = 0; t < N; t++) {
          const int8_t* at = inputs[t] + column + 4 * half;
          const auto upper = Dot::input(at);
          for (int r = 0; r < BLOCKS; r++) highs[r][t] = addProducts<!NIBBLES>(highs[r][t], parts[half][r], upper);
          if (!FINE) continue;
          const auto lower = Dot::input(at + w.in);
          for (int r = 0; r < BLOCKS; r++) lows[r][t] = addProducts<!NIBBLES>(lows[r][t], parts[half][r], lower);
        }
    }
    for (int r = 0; r < BLOCKS; r++) {
      const uint8_t* at = scales[r] + (size_t)(b / perGroup) * w.groupBytes();
      const Floats scale = loadNumbers(at, w.scaleType), bias = MXFP4 ? scale * -(float)MXFP4_OFFSET : loadNumbers(at + w.scaleBytes(), w.scaleType);
      for (int t = 0; t < N; t++) {
        const Floats made = __builtin_convertvector(FINE ? (highs[r][t] << 8) + lows[r][t] : highs[r][t], Floats) * (scale * inputScales[t][b]);
        sums[r * N + t] += made + bias * inputSums[t][b];
      }
    }
  }
  for (int r = 0; r < BLOCKS; r++) {
    const int first = (block + r) * LANES, left = w.out - first;
    for (int t = 0; t < N; t++) {
      memcpy(out[t] + first, &sums[r * N + t], (left < LANES ? left : LANES) * sizeof(float));
    }
  }
}

template <int BLOCKS, Codes CODES, bool FINE>
void multiplyBlocks(const Packed& w, int block, const Rounded& x, const int* rows, int n, float* const* out) {
  for (; n >= TILE; n -= TILE, rows += TILE, out += TILE) multiplyTile<TILE, BLOCKS, CODES, FINE>(w, block, x, rows, out);
  switch (n) {
    case 1: return multiplyTile<1, BLOCKS, CODES, FINE>(w, block, x, rows, out);
    case 2: return multiplyTile<2, BLOCKS, CODES, FINE>(w, block, x, rows, out);
    case 3: return multiplyTile<3, BLOCKS, CODES, FINE>(w, block, x, rows, out);
  }
}

template <int BLOCKS, Codes CODES>
void multiplyBlocksOf(const Packed& w, int block, const Rounded& x, const int* rows, int n, float* const* out) {
  if (!x.fine) return multiplyBlocks<BLOCKS, CODES, false>(w, block, x, rows, n, out);
  if constexpr (!Dot::HAS_WORDS) multiplyBlocks<BLOCKS, CODES, true>(w, block, x, rows, n, out);
}

template <int BLOCKS>
void multiplyBlocksOf(const Packed& w, int block, const Rounded& x, const int* rows, int n, float* const* out) {
  if (w.mxfp4) return multiplyBlocksOf<BLOCKS, Codes::mxfp4>(w, block, x, rows, n, out);
  return w.nibbles ? multiplyBlocksOf<BLOCKS, Codes::nibbles>(w, block, x, rows, n, out) : multiplyBlocksOf<BLOCKS, Codes::bytes>(w, block, x, rows, n, out);
}

void multiplyPacked(const Packed& w, int block, int blocks, const Rounded& x, const int* rows, int n, float* const* out) {
  static_assert(TILE == 4 && PAIR == 2);
  // With few inputs, the speed of the memory is the limit, and two blocks that are read at once make it
  // slower: two inputs took twice the time of one.
  if (blocks == PAIR && n > TILE) return multiplyBlocksOf<PAIR>(w, block, x, rows, n, out);
  for (int b = block; b < block + blocks; b++) multiplyBlocksOf<1>(w, b, x, rows, n, out);
}

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
