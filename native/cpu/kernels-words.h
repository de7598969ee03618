// Products of 16-bit inputs for AVX2. Its product of bytes needs the inputs as two halves, and twice as
// many instructions as its product of 16-bit words, which adds up two products in 32 bits. Weights are
// therefore widened to words, and each register of them is used for all inputs of a tile.
#include "kernels-body.h"

namespace dinf::cpu {
namespace {

/// A block has LANES rows, which fill two registers of 32-bit sums. The sums of TILE inputs take 8 of the
/// 16 registers, the packed weights and one pair of their columns 4 more.
constexpr int ROWS_OF_HALF = 8, HALVES = LANES / ROWS_OF_HALF;
/// Maximum number of inputs that share one reading of the weights from memory, and of their scales.
constexpr int SHARING = 2 * TILE;
/// How far ahead of the weights in use the next ones are requested from memory, in bytes. By itself, the
/// processor does not read ahead beyond the end of a page.
constexpr int AHEAD = 4096, CACHE_LINE = 64;

/// Rounds n inputs to words, block by block. Of each four columns, the words have the order 0, 2,
/// 1, 3, because that is how `pairOf` returns the weights.
void roundToWords(const float* x, int n, int block, bool, int8_t* values, float* scales, float* sums) {
  int16_t* words = (int16_t*)values;
  for (int b = 0; b < n / block; b++, x += block, words += block) {
    const Rounding rounding = roundingOf(x, block, FINE_LARGEST);
    int sum = 0;
    for (int i = 0; i < block; i++) {
      const int q = rounding.of(x[i]);
      sum += q;
      words[i] = (int16_t)q;
    }
    for (int i = 0; i < block; i += 4) {
      const int16_t second = words[i + 1];
      words[i + 1] = words[i + 2];
      words[i + 2] = second;
    }
    scales[b] = rounding.scale;
    sums[b] = rounding.scale * sum;
  }
}

/// Number of pairs of columns in one register of packed weights.
template <Codes CODES>
constexpr int PAIRS = CODES == Codes::bytes ? 2 : 4;

/// Looks up what each code of MXFP4 stands for.
inline __m256i numbersOf(__m256i codes) {
  __m128i table;
  memcpy(&table, MXFP4_SUMS, sizeof table);
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), codes);
}

/// Returns the weights of 8 rows for two columns, as words: columns 0 and 2, 1 and 3, 4 and 6, 5 and 7.
template <Codes CODES, int PAIR>
inline __m256i pairOf(__m256i packed) {
  if constexpr (CODES == Codes::nibbles) {
    constexpr int SHIFTS[] = {0, 8, 4, 12};
    const __m256i shifted = _mm256_srli_epi16(packed, SHIFTS[PAIR]);
    return PAIR == 3 ? shifted : _mm256_and_si256(shifted, _mm256_set1_epi16(15));
  }
  if (CODES == Codes::mxfp4) packed = numbersOf(_mm256_and_si256(PAIR < 2 ? packed : _mm256_srli_epi16(packed, 4), _mm256_set1_epi8(15)));
  return PAIR % 2 == 0 ? _mm256_and_si256(packed, _mm256_set1_epi16(255)) : _mm256_srli_epi16(packed, 8);
}

inline __m256i broadcastPair(const int16_t* words) {
  int32_t two;
  memcpy(&two, words, sizeof two);
  return _mm256_set1_epi32(two);
}

/// Adds the products of a block's rows and two columns of N inputs, of which `column` is the first one's
/// place.
template <int N, Codes CODES, int PAIR>
inline __attribute__((always_inline)) void addPair(const __m256i* packed, int column, const int16_t* const* words, __m256i (*sums)[HALVES]) {
  __m256i weights[HALVES];
  for (int half = 0; half < HALVES; half++) weights[half] = pairOf<CODES, PAIR>(packed[half]);
  for (int t = 0; t < N; t++) {
    const __m256i input = broadcastPair(words[t] + column + 2 * PAIR);
    for (int half = 0; half < HALVES; half++) {
      sums[t][half] = _mm256_add_epi32(sums[t][half], _mm256_madd_epi16(weights[half], input));
      // Without the empty assembly statement, the compiler first adds up the products of all pairs, for
      // which the registers do not suffice.
      asm("" : "+x"(sums[t][half]));
    }
  }
}

/// Computes the sums of the products of a block of rows and a block of columns with N inputs.
template <int N, Codes CODES>
inline __attribute__((always_inline)) void addColumns(const uint8_t* values, int columns, const int16_t* const* words, __m256i (*sums)[HALVES]) {
  for (int t = 0; t < N; t++)
    for (int half = 0; half < HALVES; half++) sums[t][half] = _mm256_setzero_si256();
  for (int column = 0; column < columns; column += 2 * PAIRS<CODES>, values += 4 * LANES) {
    const __m256i packed[HALVES] = {_mm256_loadu_si256((const __m256i*)values), _mm256_loadu_si256((const __m256i*)values + 1)};
    addPair<N, CODES, 0>(packed, column, words, sums);
    addPair<N, CODES, 1>(packed, column, words, sums);
    if constexpr (PAIRS<CODES> == 4) {
      addPair<N, CODES, 2>(packed, column, words, sums);
      addPair<N, CODES, 3>(packed, column, words, sums);
    }
  }
}

/// Loads the scales or biases of 8 rows.
inline Register loadScales(const uint8_t* at, Number type) {
  if (type == Number::f32) return load((const float*)at);
  const __m128i halves = _mm_loadu_si128((const __m128i*)at);
  return type == Number::f16 ? (Register)_mm256_cvtph_ps(halves) : (Register)_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16);
}

/// Multiplies a block of rows by N inputs.
template <int N, Codes CODES>
void multiplyWordsTile(const Packed& w, int block, const Rounded& x, const int* rows, float* const* out) {
  const int groups = w.in / w.group, columns = w.block(), bytes = columns / (2 * PAIRS<CODES>) * 4 * LANES;
  const uint8_t* values = w.values + block * w.blockBytes();
  const uint8_t* scales = w.scales + (size_t)block * groups * w.groupBytes();
  const int16_t* words[N];
  const float *inputScales[N], *inputSums[N];
  Register sums[N][HALVES] = {};
  for (int t = 0; t < N; t++) {
    words[t] = (const int16_t*)x.values + (size_t)rows[t] * x.in;
    inputScales[t] = x.scales + (size_t)rows[t] * x.blocks;
    inputSums[t] = x.sums + (size_t)rows[t] * x.blocks;
  }
  int b = 0;
  for (int group = 0; group < groups; group++, scales += w.groupBytes()) {
    Register scale[HALVES], bias[HALVES];
    for (int half = 0; half < HALVES; half++) {
      const uint8_t* at = scales + half * w.scaleBytes() / HALVES;
      scale[half] = loadScales(at, w.scaleType);
      bias[half] = CODES == Codes::mxfp4 ? scale[half] * -(float)MXFP4_OFFSET : loadScales(at + w.scaleBytes(), w.scaleType);
    }
    for (const int end = b + w.group / columns; b < end; b++) {
      for (int at = 0; at < bytes; at += CACHE_LINE) __builtin_prefetch(values + AHEAD + at);
      const auto addInputs = [&](int t, auto count) __attribute__((always_inline)) {
        __m256i made[count.VALUE][HALVES];
        addColumns<count.VALUE, CODES>(values, columns, words + t, made);
        for (int i = 0; i < count.VALUE; i++, t++)
          for (int half = 0; half < HALVES; half++) {
            const Register product = (Register)_mm256_cvtepi32_ps(made[i][half]) * (scale[half] * inputScales[t][b]);
            sums[t][half] += product + bias[half] * inputSums[t][b];
          }
      };
      if constexpr (N > TILE) addInputs(0, Size<TILE>{}), addInputs(TILE, Size<N - TILE>{});
      else addInputs(0, Size<N>{});
      values += bytes;
      for (int t = 0; t < N; t++) words[t] += columns;
    }
  }
  const int first = block * LANES, left = w.out - first;
  for (int t = 0; t < N; t++) memcpy(out[t] + first, sums[t], (left < LANES ? left : LANES) * sizeof(float));
}

template <Codes CODES>
void multiplyWordsOf(const Packed& w, int block, const Rounded& x, const int* rows, int n, float* const* out) {
  static_assert(SHARING == 8);
  for (; n >= SHARING; n -= SHARING, rows += SHARING, out += SHARING) multiplyWordsTile<SHARING, CODES>(w, block, x, rows, out);
  switch (n) {
    case 1: return multiplyWordsTile<1, CODES>(w, block, x, rows, out);
    case 2: return multiplyWordsTile<2, CODES>(w, block, x, rows, out);
    case 3: return multiplyWordsTile<3, CODES>(w, block, x, rows, out);
    case 4: return multiplyWordsTile<4, CODES>(w, block, x, rows, out);
    case 5: return multiplyWordsTile<5, CODES>(w, block, x, rows, out);
    case 6: return multiplyWordsTile<6, CODES>(w, block, x, rows, out);
    case 7: return multiplyWordsTile<7, CODES>(w, block, x, rows, out);
  }
}

void multiplyWords(const Packed& w, int block, int blocks, const Rounded& x, const int* rows, int n, float* const* out) {
  for (int b = block; b < block + blocks; b++) {
    if (w.mxfp4) multiplyWordsOf<Codes::mxfp4>(w, b, x, rows, n, out);
    else if (w.nibbles) multiplyWordsOf<Codes::nibbles>(w, b, x, rows, n, out);
    else multiplyWordsOf<Codes::bytes>(w, b, x, rows, n, out);
  }
}

}  // namespace
}  // namespace dinf::cpu
