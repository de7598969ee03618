#include "encoder-parts.h"

#include <algorithm>
#include <cmath>

#include "decoder.h"

namespace dinf::cpu {

namespace {
constexpr int MOST_THREADS = 1024;
/// Rows of one thread's share of attention: enough that packing the keys again costs little.
constexpr int SHARE = 512;
}  // namespace

EncoderParts::EncoderParts(int hidden, int heads, float normEps, int threads, std::optional<float> attentionScale)
    : hidden_(hidden), heads_(heads), normEps_(normEps), attentionScale_(attentionScale.value_or(1.0f / std::sqrt(static_cast<float>(hidden / heads)))), kernels_(chooseKernels()), threads_(std::clamp(threads, 1, MOST_THREADS)) {}

/// Each share of the threads is a block of the matrix's rows, so that one reading of it serves TILE
/// inputs.
void EncoderParts::multiply(const Affine& by, const std::vector<float>& from, int rows, std::vector<float>& to) {
  constexpr int ROWS = 16;
  to.resize(static_cast<size_t>(rows) * by.out);
  const Dense matrix{by.weight, by.in, by.out, by.type};
  threads_.each((by.out + ROWS - 1) / ROWS, [&](int block, int) {
    const int first = block * ROWS, last = std::min(first + ROWS, by.out);
    for (int input = 0; input < rows; input += TILE) {
      const int n = std::min(TILE, rows - input);
      const float* ins[TILE];
      float* outs[TILE];
      for (int i = 0; i < n; i++) {
        ins[i] = &from[static_cast<size_t>(input + i) * by.in];
        outs[i] = &to[static_cast<size_t>(input + i) * by.out];
      }
      for (int row = first; row < last; row++) kernels_.multiplyDense(matrix, row, ins, n, outs);
      for (int i = 0; by.bias && i < n; i++)
        for (int row = first; row < last; row++) outs[i][row] += by.bias[row];
    }
  });
}

void EncoderParts::normalise(const float* from, const Affine& by, float* to) const {
  const float* weight = static_cast<const float*>(by.weight);
  const int size = by.out;
  float mean = 0, variance = 0;
  for (int i = 0; i < size; i++) mean += from[i];
  mean /= static_cast<float>(size);
  for (int i = 0; i < size; i++) variance += (from[i] - mean) * (from[i] - mean);
  const float factor = 1.0f / std::sqrt(variance / static_cast<float>(size) + normEps_);
  for (int i = 0; i < size; i++) to[i] = (from[i] - mean) * factor * weight[i] + by.bias[i];
}

/// Uses the kernel of the decoder, as if each head had a cache of its own whose pages follow one
/// another. `room` first holds the pages of keys, then the values, the queries, the results and the
/// scores of some rows.
void EncoderParts::attend(const AttentionShare& share, std::vector<float>& room) {
  /// Rows that share one reading of the keys.
  constexpr int ROWS = 8, PAGE = 2 * LANES;
  // The kernel reads whole vectors, so that numbers of 0 fill up each head.
  const int size = hidden_ / heads_, padded = (size + LANES - 1) / LANES * LANES, count = share.count, pages = (count + PAGE - 1) / PAGE;
  const size_t cached = static_cast<size_t>(pages) * PAGE * padded, row = static_cast<size_t>(pages + 1) * PAGE;
  room.assign(2 * cached + 2 * static_cast<size_t>(ROWS) * padded + ROWS * row, 0);
  float *keys = room.data(), *values = keys + cached, *queries = values + cached, *results = queries + ROWS * padded, *scores = results + ROWS * padded;
  const Attended all{0, count - 1};
  std::vector<int32_t> table(pages);
  for (int page = 0; page < pages; page++) table[page] = page;
  const auto placeOf = [&](int input) { return static_cast<size_t>(share.first + input) * hidden_ + share.head * size; };
  for (int i = 0; i < count; i++) {
    float* key = keys + static_cast<size_t>(i / PAGE) * PAGE * padded + i % PAGE;
    for (int d = 0; d < size; d++) key[static_cast<size_t>(d) * PAGE] = k_[placeOf(i) + d];
    std::copy_n(&v_[placeOf(i)], size, values + static_cast<size_t>(i) * padded);
  }
  for (int from = share.from; from < share.to; from += ROWS) {
    const int n = std::min(ROWS, share.to - from);
    for (int i = 0; i < n; i++) std::copy_n(&q_[placeOf(from + i)], size, queries + i * padded);
    kernels_.attend({queries, keys, values, table.data(), PAGE, &all, 1, n, padded, padded, 0, attentionScale_, nullptr, scores, row, results});
    for (int i = 0; i < n; i++) std::copy_n(results + i * padded, size, &attended_[placeOf(from + i)]);
  }
}

void EncoderParts::attendWhole(int rows) {
  const int shares = (rows + SHARE - 1) / SHARE;
  attended_.resize(static_cast<size_t>(rows) * hidden_);
  std::vector<std::vector<float>> rooms(threads_.count());
  threads_.each(shares * heads_, [&](int task, int thread) {
    const int from = task / heads_ * SHARE;
    attend({0, rows, from, std::min(from + SHARE, rows), task % heads_}, rooms[thread]);
  });
}

}  // namespace dinf::cpu
