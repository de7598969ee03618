// The inner loops of the decoder, compiled once for each instruction set. Files that implement them
// must not include the standard library: the linker keeps one copy of an inline function, and a
// copy with newer instructions would crash older processors.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../decoder/activation.h"

namespace dinf::cpu {

/// Number of rows of a quantized matrix that are processed together, one in each lane of a vector.
constexpr int LANES = 16;
/// TILE is the number of inputs that share one reading of the weights. PAIR is the number of blocks
/// of rows that share one reading of the inputs.
constexpr int TILE = 4;
constexpr int PAIR = 2;

enum class Number { f32, f16, bf16 };

/// What the kernels add to twice a number of MXFP4, so that the sum is a whole number from 0 to 24.
constexpr int MXFP4_OFFSET = 12;
/// The sum for each code of MXFP4: one bit of sign, two of exponent, one of fraction.
constexpr uint8_t MXFP4_SUMS[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

/// A quantized matrix, packed so that the numbers of LANES rows for four columns lie together. If
/// weights have 4 bits, the upper halves of the same bytes hold the next four columns.
struct Packed {
  const uint8_t* values;
  /// LANES scales and then LANES biases for each group of each block of LANES rows, in the number
  /// format of the file. MXFP4 has no biases, and its scales are half of those of the file, as bf16.
  const uint8_t* scales;
  int in, out, group;
  bool nibbles;
  /// True if each weight is a code of MXFP4. The kernels look up twice its number plus MXFP4_OFFSET.
  bool mxfp4;
  Number scaleType;
  /// Number of columns that share one scale of the input, at most the size of a group.
  int block() const { return group < 64 ? group : 64; }
  size_t scaleBytes() const { return LANES * (scaleType == Number::f32 ? 4 : 2); }
  /// Size of the scales and biases of one group of LANES rows.
  size_t groupBytes() const { return (mxfp4 ? 1 : 2) * scaleBytes(); }
  size_t blockBytes() const { return static_cast<size_t>(in) * LANES / (nibbles ? 2 : 1); }
};

/// A matrix that is not quantized, in the layout of the model's file.
struct Dense {
  const void* values;
  int in, out;
  Number type;
};

/// Inputs rounded block by block: x = q·scale, and the block's sum is scale·Σq. q has 8 bits, or 16
/// bits if `fine`. With 16 bits, each row holds first all upper and then all lower bytes, both
/// signed, and q = 256·upper + lower; or words, for an instruction set that multiplies those.
struct Rounded {
  const int8_t* values;
  const float* scales;
  const float* sums;
  int in, blocks;
  bool fine;
};

/// Maximum number of queries of one Attention.
constexpr int MOST_QUERIES = 16;

/// The positions that a token attends to, from the first up to and including the last.
struct Attended {
  int first, last;
};

/// The attention of queries that share a key head, over the pages of their sequence: `heads` of each
/// of `tokens` tokens, at most MOST_QUERIES in all. Both caches have `stride` numbers for each token.
/// Within a page and head, keys are ordered by number and then by token, so that one vector holds the
/// same number of LANES tokens. Values are ordered by token and then by number.
struct Attention {
  /// The queries of one token follow one another; those of the next one come `queryStride` numbers
  /// later. `out` has the same order.
  const float* query;
  const float* keys;
  const float* values;
  const int32_t* pages;
  int pageTokens;
  /// One for each token.
  const Attended* attended;
  int tokens, heads;
  int headDim;
  int stride;
  size_t queryStride;
  float scale;
  /// One score for each of the heads that takes a share of its attention, or null.
  const float* sinks;
  /// Buffer of `row` numbers for each query. A row is longer than the attended pages by one page,
  /// because the kernels write whole vectors.
  float* scores;
  size_t row;
  float* out;
};

/// One token's work on the memory of one value head of Gated DeltaNet: a matrix with a row for each
/// number of a key and a column for each number of a value.
struct Recall {
  float* memory;
  const float* query;
  const float* key;
  const float* value;
  int keyDim, valueDim;
  /// What is kept of the memory, how much of the new value is written, and the scale of the result.
  float kept, write, scale;
  float* out;
};

struct Kernels {
  const char* name;
  void (*round)(const float* x, int n, int block, bool fine, int8_t* values, float* scales, float* sums);
  /// Computes out[t] for `blocks` blocks of LANES rows, at most PAIR. `rows` holds the indexes of
  /// the n inputs.
  void (*multiplyPacked)(const Packed& w, int block, int blocks, const Rounded& x, const int* rows, int n, float* const* out);
  /// Multiplies one row by n inputs, at most TILE.
  void (*multiplyDense)(const Dense& w, int row, const float* const* x, int n, float* const* out);
  void (*attend)(const Attention& a);
  void (*recall)(const Recall& r);
  void (*normalise)(const float* x, const float* weight, int n, float eps, float* out);
  /// Computes gate = activation(gate)·up. `limit` bounds the inputs of the clamped activation.
  void (*activate)(float* gate, const float* up, int n, Activation activation, float limit);
  /// True if inputs of 8 bits are multiplied faster than those of 16. If not, inputs are always `fine`.
  bool hasFastBytes;
};

extern const Kernels portable;
#if defined(__x86_64__)
extern const Kernels avx2;
extern const Kernels avx512;
#elif defined(__aarch64__)
extern const Kernels neon;
#endif

}  // namespace dinf::cpu
