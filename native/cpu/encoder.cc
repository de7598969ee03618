#include "encoder.h"

#include <algorithm>
#include <cmath>

#include "decoder.h"

namespace dinf::cpu {

namespace {
constexpr int MOST_THREADS = 1024;
/// Most numbers of all weights together: 4 GiB of memory.
constexpr int64_t MOST_WEIGHTS = int64_t{1} << 30;

bool isWithin(int64_t value, int64_t most) { return value >= 1 && value <= most; }
}  // namespace

std::string EncoderShape::wrong() const {
  if (!isWithin(vocabulary, 1 << 20) || !isWithin(hidden, 8192) || !isWithin(heads, 256) || !isWithin(inner, 65536) || !isWithin(layers, 128) || !isWithin(positions, 32768) || !isWithin(kinds, 16)) return "a size of the model is out of range";
  if (hidden % heads != 0) return "the width is not a multiple of the number of heads";
  if (!(normEps >= 0 && normEps <= 1)) return "normEps is out of range";
  const int64_t matrices = int64_t{layers} * (4 * int64_t{hidden} * hidden + 2 * int64_t{hidden} * inner);
  if (matrices + (int64_t{vocabulary} + positions + kinds) * hidden > MOST_WEIGHTS) return "the model is too large";
  return "";
}

size_t EncoderShape::weights() const {
  const size_t h = hidden, i = inner;
  const size_t layer = 4 * (h * h + h) + 2 * h + (i * h + i) + (h * i + h) + 2 * h;
  return (static_cast<size_t>(vocabulary) + positions + kinds) * h + 2 * h + layers * layer;
}

std::string Texts::wrong(const EncoderShape& shape) const {
  if (tokens.empty() || tokens.size() != kinds.size()) return "tokens and kinds differ in number, or there are none";
  size_t sum = 0;
  for (const int32_t length : lengths) {
    if (!isWithin(length, shape.positions)) return "a text is empty or has more tokens than the model has positions";
    sum += length;
  }
  if (sum != tokens.size()) return "the lengths of the texts do not add up to the number of tokens";
  for (size_t i = 0; i < tokens.size(); i++)
    if (tokens[i] < 0 || tokens[i] >= shape.vocabulary || kinds[i] < 0 || kinds[i] >= shape.kinds) return "a token or kind is outside of the model";
  return "";
}

Encoder::Encoder(const EncoderShape& shape, std::vector<float> weights, int threads)
    : shape_(shape), weights_(std::move(weights)), kernels_(chooseKernels()), threads_(std::clamp(threads, 1, MOST_THREADS)) {
  const float* at = weights_.data();
  const auto next = [&at](size_t size) { return std::exchange(at, at + size); };
  const auto affine = [&next](int out, int in) {
    const float* weight = next(static_cast<size_t>(out) * in);
    return Affine{weight, next(out), out, in};
  };
  const int h = shape.hidden;
  words_ = next(static_cast<size_t>(shape.vocabulary) * h);
  positions_ = next(static_cast<size_t>(shape.positions) * h);
  kinds_ = next(static_cast<size_t>(shape.kinds) * h);
  norm_ = affine(h, 1);
  for (int i = 0; i < shape.layers; i++) {
    Layer layer;
    layer.q = affine(h, h);
    layer.k = affine(h, h);
    layer.v = affine(h, h);
    layer.o = affine(h, h);
    layer.attentionNorm = affine(h, 1);
    layer.up = affine(shape.inner, h);
    layer.down = affine(h, shape.inner);
    layer.outputNorm = affine(h, 1);
    layers_.push_back(layer);
  }
}

std::vector<float> Encoder::pass(const Texts& texts) {
  const int h = shape_.hidden, rows = static_cast<int>(texts.tokens.size());
  std::vector<float> states(static_cast<size_t>(rows) * h);
  std::vector<int> firsts;
  for (int text = 0, first = 0; text < static_cast<int>(texts.lengths.size()); first += texts.lengths[text++]) {
    firsts.push_back(first);
    threads_.each(texts.lengths[text], [&](int position, int) {
      float* state = &states[static_cast<size_t>(first + position) * h];
      const float* word = words_ + static_cast<size_t>(texts.tokens[first + position]) * h;
      const float* place = positions_ + static_cast<size_t>(position) * h;
      const float* kind = kinds_ + static_cast<size_t>(texts.kinds[first + position]) * h;
      for (int i = 0; i < h; i++) state[i] = word[i] + place[i] + kind[i];
      normalise(state, norm_);
    });
  }
  attended_.resize(states.size());
  std::vector<std::vector<float>> rooms(threads_.count());
  for (const Layer& layer : layers_) {
    multiply(layer.q, states, rows, q_);
    multiply(layer.k, states, rows, k_);
    multiply(layer.v, states, rows, v_);
    const int heads = shape_.heads;
    threads_.each(static_cast<int>(firsts.size()) * heads, [&](int task, int thread) {
      const int text = task / heads;
      attend(firsts[text], texts.lengths[text], task % heads, rooms[thread]);
    });
    multiply(layer.o, attended_, rows, made_);
    addAndNormalise(made_, layer.attentionNorm, rows, states);
    multiply(layer.up, states, rows, inner_);
    threads_.each(rows, [&](int row, int) {
      float* x = &inner_[static_cast<size_t>(row) * shape_.inner];
      for (int i = 0; i < shape_.inner; i++) x[i] = 0.5f * x[i] * (1.0f + std::erf(x[i] * 0.70710678f));
    });
    multiply(layer.down, inner_, rows, made_);
    addAndNormalise(made_, layer.outputNorm, rows, states);
  }
  return states;
}

/// Multiplies the rows of `from` by a matrix and adds its bias. Each share of the threads is a block
/// of the matrix's rows, so that one reading of it serves TILE inputs.
void Encoder::multiply(const Affine& by, const std::vector<float>& from, int rows, std::vector<float>& to) {
  constexpr int ROWS = 16;
  to.resize(static_cast<size_t>(rows) * by.out);
  const Dense matrix{by.weight, by.in, by.out, Number::f32};
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
      for (int i = 0; i < n; i++)
        for (int row = first; row < last; row++) outs[i][row] += by.bias[row];
    }
  });
}

void Encoder::normalise(float* state, const Affine& by) const {
  const int h = shape_.hidden;
  float mean = 0, variance = 0;
  for (int i = 0; i < h; i++) mean += state[i];
  mean /= static_cast<float>(h);
  for (int i = 0; i < h; i++) variance += (state[i] - mean) * (state[i] - mean);
  const float factor = 1.0f / std::sqrt(variance / static_cast<float>(h) + shape_.normEps);
  for (int i = 0; i < h; i++) state[i] = (state[i] - mean) * factor * by.weight[i] + by.bias[i];
}

void Encoder::addAndNormalise(const std::vector<float>& made, const Affine& by, int rows, std::vector<float>& states) {
  const int h = shape_.hidden;
  threads_.each(rows, [&](int row, int) {
    float* state = &states[static_cast<size_t>(row) * h];
    for (int i = 0; i < h; i++) state[i] += made[static_cast<size_t>(row) * h + i];
    normalise(state, by);
  });
}

/// The attention of one head over one text. `room` first holds the keys, then the values with one
/// row for each number, then the scores of one token.
void Encoder::attend(int first, int count, int head, std::vector<float>& room) {
  const int h = shape_.hidden, size = h / shape_.heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(size));
  room.resize(2 * static_cast<size_t>(count) * size + count);
  float *keys = room.data(), *values = keys + static_cast<size_t>(count) * size, *scores = values + static_cast<size_t>(count) * size;
  for (int i = 0; i < count; i++) {
    const size_t at = static_cast<size_t>(first + i) * h + head * size;
    std::copy_n(&k_[at], size, keys + static_cast<size_t>(i) * size);
    for (int d = 0; d < size; d++) values[static_cast<size_t>(d) * count + i] = v_[at + d];
  }
  const Dense ofKeys{keys, size, count, Number::f32}, ofValues{values, count, size, Number::f32};
  for (int i = 0; i < count; i++) {
    const size_t at = static_cast<size_t>(first + i) * h + head * size;
    const float* query = &q_[at];
    for (int j = 0; j < count; j++) kernels_.multiplyDense(ofKeys, j, &query, 1, &scores);
    float most = scores[0], sum = 0;
    for (int j = 0; j < count; j++) most = std::max(most, scores[j]);
    for (int j = 0; j < count; j++) sum += scores[j] = std::exp((scores[j] - most) * scale);
    for (int j = 0; j < count; j++) scores[j] /= sum;
    float* out = &attended_[at];
    const float* shares = scores;
    for (int d = 0; d < size; d++) kernels_.multiplyDense(ofValues, d, &shares, 1, &out);
  }
}

}  // namespace dinf::cpu
