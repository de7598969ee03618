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

/// `room` first holds the keys, then the values with one row for each number, then the scores of TILE
/// rows.
void EncoderParts::attend(const AttentionShare& share, std::vector<float>& room) {
  const int size = hidden_ / heads_, count = share.count;
  room.resize((2 * static_cast<size_t>(size) + TILE) * count);
  float *keys = room.data(), *values = keys + static_cast<size_t>(count) * size, *scores = values + static_cast<size_t>(count) * size;
  const auto placeOf = [&](int row) { return static_cast<size_t>(share.first + row) * hidden_ + share.head * size; };
  for (int i = 0; i < count; i++) {
    std::copy_n(&k_[placeOf(i)], size, keys + static_cast<size_t>(i) * size);
    for (int d = 0; d < size; d++) values[static_cast<size_t>(d) * count + i] = v_[placeOf(i) + d];
  }
  const Dense ofKeys{keys, size, count, Number::f32}, ofValues{values, count, size, Number::f32};
  for (int row = share.from; row < share.to; row += TILE) {
    const int n = std::min(TILE, share.to - row);
    const float *queries[TILE], *shares[TILE];
    float *ofRow[TILE], *outs[TILE];
    for (int i = 0; i < n; i++) {
      queries[i] = &q_[placeOf(row + i)];
      outs[i] = &attended_[placeOf(row + i)];
      shares[i] = ofRow[i] = scores + static_cast<size_t>(i) * count;
    }
    for (int j = 0; j < count; j++) kernels_.multiplyDense(ofKeys, j, queries, n, ofRow);
    for (int i = 0; i < n; i++) {
      float *list = ofRow[i], most = *std::max_element(list, list + count), sum = 0;
      for (int j = 0; j < count; j++) sum += list[j] = std::exp((list[j] - most) * attentionScale_);
      for (int j = 0; j < count; j++) list[j] /= sum;
    }
    for (int d = 0; d < size; d++) kernels_.multiplyDense(ofValues, d, shares, n, outs);
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
