#include "encoder.h"

#include <algorithm>
#include <cmath>

#include "decoder.h"

namespace dinf::cpu {

namespace {
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
    : EncoderParts(shape.hidden, shape.heads, shape.normEps, threads), shape_(shape), weights_(std::move(weights)) {
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
      normalise(state, norm_, state);
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
      const int count = texts.lengths[text];
      attend({firsts[text], count, 0, count, task % heads}, rooms[thread]);
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

void Encoder::addAndNormalise(const std::vector<float>& made, const Affine& by, int rows, std::vector<float>& states) {
  const int h = shape_.hidden;
  threads_.each(rows, [&](int row, int) {
    float* state = &states[static_cast<size_t>(row) * h];
    for (int i = 0; i < h; i++) state[i] += made[static_cast<size_t>(row) * h + i];
    normalise(state, by, state);
  });
}

}  // namespace dinf::cpu
