// Each instruction set's file includes this file once, after it has defined a struct Dot: `input`
// spreads four inputs, `sumsOf` looks up the numbers of MXFP4's codes, `add` adds their products with each lane's four weights, TAKES_BYTES is true
// if `add` accepts weights of more than 4 bits undivided, and `widen` converts 16-bit numbers. All
// other code uses vectors of 16 elements, which the compiler lowers to the available instructions.
#include <string.h>

namespace dinf::cpu {
namespace {

inline Floats spread(float x) { return Floats{} + x; }
inline Floats load(const float* from) { Floats v; memcpy(&v, from, sizeof v); return v; }
inline void store(float* to, Floats v) { memcpy(to, &v, sizeof v); }

inline float total(Floats v) {
  typedef float Half __attribute__((vector_size(32)));
  typedef float Quarter __attribute__((vector_size(16)));
  Half halves[2];
  memcpy(halves, &v, sizeof v);
  halves[0] += halves[1];
  Quarter quarters[2];
  memcpy(quarters, halves, sizeof quarters);
  quarters[0] += quarters[1];
  return (quarters[0][0] + quarters[0][2]) + (quarters[0][1] + quarters[0][3]);
}

/// Computes e^x with a relative error of 2e-7.
inline Floats exponential(Floats x) {
  x = x < -87.0f ? spread(-87.0f) : x;
  x = x > 88.0f ? spread(88.0f) : x;
  Floats whole = x * 1.44269504f + 12582912.0f;
  Ints power = (Ints)whole;
  whole = whole - 12582912.0f;
  Floats rest = x - whole * 0.693359375f;
  rest = rest + whole * 2.12194440e-4f;
  Floats p = spread(1.9875691500e-4f);
  p = p * rest + 1.3981999507e-3f;
  p = p * rest + 8.3334519073e-3f;
  p = p * rest + 4.1665795894e-2f;
  p = p * rest + 1.6666665459e-1f;
  p = p * rest + 5.0000001201e-1f;
  p = p * rest * rest + rest + 1.0f;
  return p * (Floats)((power - 0x4B400000 + 127) << 23);
}

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
  if (type == Number::f32) return load((const float*)at);
  Halves halves;
  memcpy(&halves, at, sizeof halves);
  return type == Number::f16 ? Dot::widen(halves) : (Floats)(__builtin_convertvector(halves, Ints) << 16);
}

/// Loads n numbers, at most LANES, and fills the other lanes with `rest`. The end of a row then
/// takes the same instructions as its middle, so a number's result does not depend on its position.
inline Floats loadPart(const float* from, int n, float rest) {
  Floats v = spread(rest);
  memcpy(&v, from, n * sizeof(float));
  return v;
}

/// If no input of a block is larger than this, all are rounded to zero: the inverse of their scale
/// could be infinite.
constexpr float LEAST_INPUT = 1e-30f;

/// Returns true if one of the numbers is infinite or NaN. Weights that are too large, or that are
/// themselves infinite or NaN, produce such inputs.
inline bool isAnyNotFinite(const float* x, int n) {
  int found = 0;
  for (int i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    found |= (bits & 0x7f800000) == 0x7f800000;
  }
  return found != 0;
}

/// Rounds n inputs to integers, block by block. Integers cannot represent infinity or NaN, so a
/// block with such an input gets the scale NaN, and its products become NaN too.
void roundInputs(const float* x, int n, int block, bool fine, int8_t* values, float* scales, float* sums) {
  const float largest = fine ? 32512.0f : 127.0f;
  int8_t* lows = values + n;
  for (int b = 0; b < n / block; b++, x += block, values += block, lows += block) {
    float most = 0;
    for (int i = 0; i < block; i++) { float a = __builtin_fabsf(x[i]); most = a > most ? a : most; }
    const bool isFinite = !isAnyNotFinite(x, block);
    const float scale = isFinite ? most / largest : __builtin_nanf(""), inverse = most > LEAST_INPUT ? largest / most : 0;
    int sum = 0;
    for (int i = 0; i < block; i++) {
      const int q = isFinite ? (int)__builtin_rintf(x[i] * inverse) : 0;
      sum += q;
      if (!fine) {
        values[i] = (int8_t)q;
        continue;
      }
      const int high = (q + 128) >> 8;
      values[i] = (int8_t)high;
      lows[i] = (int8_t)(q - high * 256);
    }
    scales[b] = scale;
    sums[b] = scale * sum;
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
      if (left >= LANES) store(out[t] + first, sums[r * N + t]);
      else memcpy(out[t] + first, &sums[r * N + t], left * sizeof(float));
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

/// Half of the lanes. GCC keeps vectors of the width of the registers in registers; an array of wider
/// ones it keeps in memory.
typedef float HalfFloats __attribute__((vector_size(LANES / 2 * sizeof(float))));

inline HalfFloats loadHalf(const float* at) {
  HalfFloats v;
  memcpy(&v, at, sizeof v);
  return v;
}

/// Multiplies one row by N inputs, a number that the compiler knows.
template <int N, class Read>
inline void multiplyDenseRow(int in, const Read& read, const float* const* x, int row, float* const* out) {
  HalfFloats lows[N], highs[N];
  for (int t = 0; t < N; t++) lows[t] = highs[t] = HalfFloats{};
  int i = 0;
  for (; i + LANES <= in; i += LANES) {
    const Floats w = read(i, LANES);
    const HalfFloats low = loadHalf((const float*)&w), high = loadHalf((const float*)&w + LANES / 2);
    for (int t = 0; t < N; t++) {
      lows[t] += low * loadHalf(x[t] + i);
      highs[t] += high * loadHalf(x[t] + i + LANES / 2);
    }
  }
  for (int t = 0; t < N; t++) {
    Floats sums;
    memcpy(&sums, &lows[t], sizeof lows[t]);
    memcpy((float*)&sums + LANES / 2, &highs[t], sizeof highs[t]);
    if (i < in) sums += read(i, in - i) * loadPart(x[t] + i, in - i, 0);
    out[t][row] = total(sums);
  }
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

inline float dot(const float* a, const float* b, int n) {
  Floats sum = spread(0);
  int i = 0;
  for (; i + LANES <= n; i += LANES) sum += load(a + i) * load(b + i);
  if (i < n) sum += loadPart(a + i, n - i, 0) * loadPart(b + i, n - i, 0);
  return total(sum);
}

/// Computes the scores of one page's tokens for HEADS queries. Each lane holds one token.
template <int HEADS>
inline void scorePage(const Attention& a, const float* page, int head, int count, float* scores, size_t row) {
  for (int token = 0; token < count; token += LANES) {
    Floats sums[HEADS];
    for (int h = 0; h < HEADS; h++) sums[h] = spread(0);
    const float* query = a.query + head * a.headDim;
    for (int d = 0; d < a.headDim; d++) {
      const Floats key = load(page + (size_t)d * a.pageTokens + token);
      for (int h = 0; h < HEADS; h++) sums[h] += key * query[h * a.headDim + d];
    }
    for (int h = 0; h < HEADS; h++) store(scores + (head + h) * row + token, sums[h] * a.scale);
  }
}

/// Computes COUNT·LANES numbers of a head's result, beginning at number d: the sum of the values of
/// the tokens in [from, to), each multiplied by its share of the attention.
template <int COUNT>
inline void gather(const Attention& a, const float* shares, int from, int to, int d, float* out) {
  Floats sums[COUNT];
  for (int i = 0; i < COUNT; i++) sums[i] = spread(0);
  for (int position = from; position < to;) {
    const int slot = position % a.pageTokens, end = to - position < a.pageTokens - slot ? to - position : a.pageTokens - slot;
    const float* value = a.values + ((size_t)a.pages[position / a.pageTokens] * a.pageTokens + slot) * a.stride + d;
    for (int i = 0; i < end; i++, position++, value += a.stride) {
      const float share = shares[position - from];
      for (int j = 0; j < COUNT; j++) sums[j] += load(value + j * LANES) * share;
    }
  }
  for (int i = 0; i < COUNT; i++) store(out + d + i * LANES, sums[i]);
}

void attend(const Attention& a) {
  // Scores are computed from the start of the first page, because pages are read whole. The scores
  // of tokens before `first` are not used.
  const int begin = a.first - a.first % a.pageTokens, before = a.first - begin, count = a.last - a.first + 1;
  const size_t row = a.row;
  for (int position = begin; position <= a.last; position += a.pageTokens) {
    const float* page = a.keys + (size_t)a.pages[position / a.pageTokens] * a.pageTokens * a.stride;
    const int tokens = a.last + 1 - position < a.pageTokens ? a.last + 1 - position : a.pageTokens;
    float* scores = a.scores + (position - begin);
    int h = 0;
    for (; h + 4 <= a.heads; h += 4) scorePage<4>(a, page, h, tokens, scores, row);
    if (a.heads - h >= 2) scorePage<2>(a, page, h, tokens, scores, row), h += 2;
    if (a.heads - h == 1) scorePage<1>(a, page, h, tokens, scores, row);
  }
  for (int h = 0; h < a.heads; h++) {
    float* scores = a.scores + h * row + before;
    float most = a.sinks ? a.sinks[h] : scores[0];
    for (int i = 0; i < count; i++) most = scores[i] > most ? scores[i] : most;
    Floats sum = spread(0);
    for (int i = 0; i < count; i += LANES) {
      const int n = count - i < LANES ? count - i : LANES;
      const Floats e = exponential(loadPart(scores + i, n, -1e30f) - most);
      sum += n == LANES ? e : loadPart((const float*)&e, n, 0);
      memcpy(scores + i, &e, n * sizeof(float));
    }
    const float inverse = 1.0f / (total(sum) + (a.sinks ? exponential(spread(a.sinks[h] - most))[0] : 0.0f));
    for (int i = 0; i < count; i++) scores[i] *= inverse;
    float* out = a.out + h * a.headDim;
    int d = 0;
    for (; d + 4 * LANES <= a.headDim; d += 4 * LANES) gather<4>(a, scores, a.first, a.last + 1, d, out);
    for (; d + LANES <= a.headDim; d += LANES) gather<1>(a, scores, a.first, a.last + 1, d, out);
    for (; d < a.headDim; d++) {
      float made = 0;
      for (int i = 0; i < count; i++) {
        const int position = a.first + i;
        made += scores[i] * a.values[((size_t)a.pages[position / a.pageTokens] * a.pageTokens + position % a.pageTokens) * a.stride + d];
      }
      out[d] = made;
    }
  }
}

/// Computes n columns of `recall`, at most LANES.
inline __attribute__((always_inline)) void recallColumns(const Recall& r, int column, int n) {
  float* const memory = r.memory + column;
  Floats found = spread(0), read = spread(0);
  for (int i = 0; i < r.keyDim; i++) found += loadPart(memory + (size_t)i * r.valueDim, n, 0) * r.key[i];
  const Floats change = (loadPart(r.value + column, n, 0) - found * r.kept) * r.write;
  for (int i = 0; i < r.keyDim; i++) {
    float* const row = memory + (size_t)i * r.valueDim;
    const Floats made = loadPart(row, n, 0) * r.kept + change * r.key[i];
    memcpy(row, &made, n * sizeof(float));
    read += made * r.query[i];
  }
  read = read * r.scale;
  memcpy(r.out + column, &read, n * sizeof(float));
}

/// Lets the memory fade, replaces what the key finds in it by the value, and reads it with the query.
void recall(const Recall& r) {
  int column = 0;
  for (; column + LANES <= r.valueDim; column += LANES) recallColumns(r, column, LANES);
  if (column < r.valueDim) recallColumns(r, column, r.valueDim - column);
}

void normalise(const float* x, const float* weight, int n, float eps, float* out) {
  const float factor = 1.0f / __builtin_sqrtf(dot(x, x, n) / n + eps);
  for (int i = 0; i < n; i++) out[i] = x[i] * factor * weight[i];
}

inline Floats clamp(Floats x, float least, float most) {
  x = x > most ? spread(most) : x;
  return x < least ? spread(least) : x;
}

void activate(float* gate, const float* up, int n, Activation activation, float limit) {
  const bool clamped = activation == Activation::clampedSilu;
  for (int i = 0; i < n; i += LANES) {
    const int count = n - i < LANES ? n - i : LANES;
    Floats x = loadPart(gate + i, count, 0), u = loadPart(up + i, count, 0);
    if (clamped) x = clamp(x, -__builtin_inff(), limit), u = clamp(u, -limit, limit) + 1.0f;
    // The tanh approximation of GELU equals x·sigmoid(2·inner polynomial).
    const Floats inner = activation == Activation::gelu ? (x + x * x * x * 0.044715f) * 1.5957691216f : clamped ? x * 1.702f : x;
    const Floats made = x / (exponential(-inner) + 1.0f) * u;
    memcpy(gate + i, &made, count * sizeof(float));
  }
}

}  // namespace
}  // namespace dinf::cpu
