// Products of 16-bit inputs for AVX2. Its product of bytes needs the inputs as two halves, and twice as
// many instructions as its product of 16-bit words, which adds up two products in 32 bits. Weights are
// therefore widened to words, and each register of them is used for all inputs of a tile.
#include "kernels-body.h"

namespace dinf::cpu {
namespace {

/// Number of inputs of a tile. The sums of 8 rows take 8 of the 16 registers, the weights of 8 rows for
/// 8 columns 4 more.
constexpr int WORDS_TILE = 8;
/// A block has LANES rows, which fill two registers of 32-bit sums.
constexpr int ROWS_OF_HALF = 8, HALVES = LANES / ROWS_OF_HALF;

/// Rounds n inputs to the numbers of `roundInputs`. Of each four columns, the words have the order 0, 2,
/// 1, 3, because that is how `pairOf` returns the weights.
void roundToWords(const float* x, int n, int block, bool fine, int8_t* values, float* scales, float* sums) {
  if (!fine) return roundInputs(x, n, block, fine, values, scales, sums);
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

/// Returns the weights of 8 rows for two columns, as words: columns 0 and 2, 1 and 3, 4 and 6, 5 and 7.
template <Codes CODES, int PAIR>
inline __m256i pairOf(__m256i packed) {
  if constexpr (CODES == Codes::nibbles) {
    constexpr int SHIFTS[] = {0, 8, 4, 12};
    return _mm256_and_si256(_mm256_srli_epi16(packed, SHIFTS[PAIR]), _mm256_set1_epi16(15));
  }
  if (CODES == Codes::mxfp4) packed = Dot::sumsOfHalf(_mm256_and_si256(PAIR < 2 ? packed : _mm256_srli_epi16(packed, 4), _mm256_set1_epi8(15)));
  return PAIR % 2 == 0 ? _mm256_and_si256(packed, _mm256_set1_epi16(255)) : _mm256_srli_epi16(packed, 8);
}

inline __m256i broadcastPair(const int16_t* words) {
  int32_t two;
  memcpy(&two, words, sizeof two);
  return _mm256_set1_epi32(two);
}

/// Adds the products of 8 rows and two columns of N inputs, of which `column` is the first one's place.
template <int N, Codes CODES, int PAIR>
inline __attribute__((always_inline)) void addPair(__m256i packed, int column, const int16_t* const* words, __m256i* sums) {
  const __m256i weights = pairOf<CODES, PAIR>(packed);
  for (int t = 0; t < N; t++) {
    sums[t] = _mm256_add_epi32(sums[t], _mm256_madd_epi16(weights, broadcastPair(words[t] + column + 2 * PAIR)));
    // Without the empty assembly statement, the compiler first adds up the products of all pairs, for
    // which the registers do not suffice.
    asm("" : "+x"(sums[t]));
  }
}

/// Computes the sums of the products of 8 rows and one block of columns with N inputs.
template <int N, Codes CODES>
inline __attribute__((always_inline)) void addColumns(const uint8_t* values, int columns, const int16_t* const* words, __m256i* sums) {
  for (int t = 0; t < N; t++) sums[t] = _mm256_setzero_si256();
  for (int column = 0; column < columns; column += 2 * PAIRS<CODES>, values += 4 * LANES) {
    const __m256i packed = _mm256_loadu_si256((const __m256i*)values);
    addPair<N, CODES, 0>(packed, column, words, sums);
    addPair<N, CODES, 1>(packed, column, words, sums);
    if constexpr (PAIRS<CODES> == 4) {
      addPair<N, CODES, 2>(packed, column, words, sums);
      addPair<N, CODES, 3>(packed, column, words, sums);
    }
  }
}

/// Multiplies a block of rows by N inputs.
template <int N, Codes CODES>
void multiplyWordsTile(const Packed& w, int block, const Rounded& x, const int* rows, float* const* out) {
  const int groups = w.in / w.group, columns = w.block(), perGroup = w.group / columns;
  const uint8_t* values = w.values + block * w.blockBytes();
  const uint8_t* scales = w.scales + (size_t)block * groups * w.groupBytes();
  const int16_t* words[N];
  const float *inputScales[N], *inputSums[N];
  Register made[N][HALVES] = {};
  for (int t = 0; t < N; t++) {
    words[t] = (const int16_t*)x.values + (size_t)rows[t] * x.in;
    inputScales[t] = x.scales + (size_t)rows[t] * x.blocks;
    inputSums[t] = x.sums + (size_t)rows[t] * x.blocks;
  }
  for (int b = 0; b < groups * perGroup; b++) {
    const uint8_t* at = scales + (size_t)(b / perGroup) * w.groupBytes();
    const Floats scale = loadNumbers(at, w.scaleType), bias = CODES == Codes::mxfp4 ? scale * -(float)MXFP4_OFFSET : loadNumbers(at + w.scaleBytes(), w.scaleType);
    for (int half = 0; half < HALVES; half++) {
      __m256i sums[N];
      addColumns<N, CODES>(values + half * sizeof(__m256i), columns, words, sums);
      const Register scaleOfHalf = load((const float*)&scale + half * ROWS_OF_HALF), biasOfHalf = load((const float*)&bias + half * ROWS_OF_HALF);
      for (int t = 0; t < N; t++) {
        const Register product = (Register)_mm256_cvtepi32_ps(sums[t]) * (scaleOfHalf * inputScales[t][b]);
        made[t][half] += product + biasOfHalf * inputSums[t][b];
      }
    }
    values += (size_t)columns / (2 * PAIRS<CODES>) * 4 * LANES;
    for (int t = 0; t < N; t++) words[t] += columns;
  }
  const int first = block * LANES, left = w.out - first;
  for (int t = 0; t < N; t++) memcpy(out[t] + first, made[t], (left < LANES ? left : LANES) * sizeof(float));
}

template <Codes CODES>
void multiplyWordsOf(const Packed& w, int block, const Rounded& x, const int* rows, int n, float* const* out) {
  static_assert(WORDS_TILE == 8);
  for (; n >= WORDS_TILE; n -= WORDS_TILE, rows += WORDS_TILE, out += WORDS_TILE) multiplyWordsTile<WORDS_TILE, CODES>(w, block, x, rows, out);
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

/// Does the same as `multiplyPacked`, with the words of `roundToWords` for fine inputs.
void multiplyWords(const Packed& w, int block, int blocks, const Rounded& x, const int* rows, int n, float* const* out) {
  if (!x.fine) return multiplyPacked(w, block, blocks, x, rows, n, out);
  for (int b = block; b < block + blocks; b++) {
    if (w.mxfp4) multiplyWordsOf<Codes::mxfp4>(w, b, x, rows, n, out);
    else if (w.nibbles) multiplyWordsOf<Codes::nibbles>(w, b, x, rows, n, out);
    else multiplyWordsOf<Codes::bytes>(w, b, x, rows, n, out);
  }
}

}  // namespace
}  // namespace dinf::cpu
