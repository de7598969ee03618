// Products of bytes: an input of 16 bits is multiplied as two bytes. Besides what kernels-body.h needs, a
// struct Dot has `input`, which spreads four inputs, `sumsOf`, which looks up the numbers of MXFP4's codes,
// `add`, which adds the products of inputs and of each lane's four weights, and TAKES_BYTES, which is true
// if `add` accepts weights of more than 4 bits undivided.
#include "kernels-body.h"

namespace dinf::cpu {
namespace {

inline Bytes low(Bytes v) { return v & 15; }
inline Bytes high(Bytes v) { return v >> 4; }

/// Adds the products of weights and inputs. Weights have up to 4 bits, or up to 8 if WIDE. Where
/// `Dot::add` does not accept more than 4 bits, each weight is multiplied as two halves of 4 bits.
template <bool WIDE, class Input>
inline Ints addProducts(Ints sum, Bytes weights, Input input) {
  if (!WIDE || Dot::TAKES_BYTES) return Dot::add(sum, weights, input);
  return Dot::add(sum, low(weights), input) + (Dot::add(Ints{}, high(weights), input) << 4);
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
  return x.fine ? multiplyBlocks<BLOCKS, CODES, true>(w, block, x, rows, n, out) : multiplyBlocks<BLOCKS, CODES, false>(w, block, x, rows, n, out);
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

}  // namespace
}  // namespace dinf::cpu
