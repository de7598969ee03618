// The inner loops of the decoder, compiled once for each instruction set. Files that implement them must
// not include the standard library: the linker keeps one copy of an inline function, and a copy with
// newer instructions would crash older processors.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace dinf::cpu {

/// Rows of a rounded matrix that are worked on together, one in each lane.
constexpr int LANES = 16;
/// Inputs that share one reading of the weights, and blocks of rows that share one reading of the inputs.
constexpr int TILE = 4;
constexpr int PAIR = 2;

enum class Number { f32, f16, bf16 };

/// A rounded matrix, packed so that the numbers of LANES rows for four columns lie together. With 4 bits, the next four columns
/// are in the upper halves of the same bytes.
struct Packed {
  const uint8_t* values;
  /// For each block of LANES rows, for each group, LANES scales and then LANES biases, in the file's type.
  const uint8_t* scales;
  int in, out, group;
  bool nibbles;
  Number scaleType;
  /// Columns that share one scale of the input: at most a group.
  int block() const { return group < 64 ? group : 64; }
  size_t scaleBytes() const { return LANES * (scaleType == Number::f32 ? 4 : 2); }
  size_t blockBytes() const { return static_cast<size_t>(in) * LANES / (nibbles ? 2 : 1); }
};

/// A matrix as it stands in the file.
struct Dense {
  const void* values;
  int in, out;
  Number type;
};

/// Inputs rounded by blocks: x = q·scale, and sum is scale·Σq. To 8 bits; or, fine, to 16: of each row first all upper bytes, then
/// all lower ones, both signed, q = 256·upper + lower.
struct Rounded {
  const int8_t* values;
  const float* scales;
  const float* sums;
  int in, blocks;
  bool fine;
};

/// One token's queries that share a key head, over the pages of its sequence. Both caches have `stride` numbers a token. Within a
/// page and head, keys lie by number and then token, so that a token is a lane; values by token and then number.
struct Attention {
  const float* query;
  const float* keys;
  const float* values;
  const int32_t* pages;
  int pageTokens, first, last;
  int heads;
  int headDim;
  int stride;
  float scale;
  /// For each head `row` numbers: a page more than there are tokens.
  float* scores;
  size_t row;
  float* out;
};

struct Kernels {
  const char* name;
  void (*round)(const float* x, int n, int block, bool fine, int8_t* values, float* scales, float* sums);
  /// out[t] for `blocks` blocks of LANES rows, at most PAIR; `rows` picks the n inputs.
  void (*multiplyPacked)(const Packed& w, int block, int blocks, const Rounded& x, const int* rows, int n, float* const* out);
  /// One row times n inputs, at most TILE.
  void (*multiplyDense)(const Dense& w, int row, const float* const* x, int n, float* const* out);
  void (*attend)(const Attention& a);
  void (*normalise)(const float* x, const float* weight, int n, float eps, float* out);
  /// gate = act(gate)·up
  void (*activate)(float* gate, const float* up, int n, bool gelu);
};

extern const Kernels portable;
#if defined(__x86_64__)
extern const Kernels avx2;
extern const Kernels avx512;
#elif defined(__aarch64__)
extern const Kernels neon;
#endif

}  // namespace dinf::cpu
