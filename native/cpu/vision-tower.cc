#include "vision-tower.h"

#include <algorithm>
#include <cmath>

#include "decoder.h"
#include "packing.h"

namespace dinf::cpu {

namespace {
bool isWithin(int64_t value, int64_t most) { return value >= 1 && value <= most; }
}  // namespace

std::string TowerShape::wrong() const {
  if (!isWithin(hidden, 8192) || !isWithin(heads, 256) || !isWithin(inner, 65536) || !isWithin(layers, 128) || !isWithin(out, 1 << 16) || !isWithin(across, 256) || !isWithin(pooled, across) || !isWithin(patchNumbers, 1 << 14)) return "a size of the tower is out of range";
  if (hidden % heads != 0 || across % pooled != 0) return "the heads or the tokens do not divide the tower";
  if (!(normEps >= 0 && normEps <= 1)) return "normEps is out of range";
  return "";
}

std::vector<int64_t> TowerShape::sizes() const {
  const int64_t h = hidden, i = inner;
  std::vector<int64_t> all{h * patchNumbers, h, int64_t{patches()} * h};
  for (int layer = 0; layer < layers; layer++) all.insert(all.end(), {h, h, h * h, h, h * h, h, h * h, h, h * h, h, h, h, i * h, i, h * i, h});
  all.insert(all.end(), {h, h, h, h * out});
  return all;
}

std::string VisionTower::load(const std::vector<Tensor>& tensors) {
  size_t at = 0;
  bool isGone = false;
  const int h = shape_.hidden;
  const auto floats = [&](int64_t count) -> const float* {
    const Tensor& tensor = tensors[at++];
    const uint8_t* bytes = files_.bytes(tensor);
    auto& numbers = vectors_.emplace_back();
    if (!bytes) {
      isGone = true;
      return nullptr;
    }
    numbers.resize(count);
    for (int64_t i = 0; i < count; i++) numbers[i] = toFloat(bytes, numberOf(tensor.type), i);
    return numbers.data();
  };
  const auto matrix = [&](int out, int in) {
    const Tensor& tensor = tensors[at++];
    const uint8_t* bytes = files_.bytes(tensor);
    if (!bytes) isGone = true;
    return Affine{bytes, floats(out), out, in, numberOf(tensor.type)};
  };
  const auto norm = [&] {
    const float* weight = floats(h);
    return Affine{weight, floats(h), h, 1};
  };
  vectors_.reserve(tensors.size() + 1);
  patches_ = matrix(h, shape_.patchNumbers);
  positions_ = floats(int64_t{shape_.patches()} * h);
  for (int i = 0; i < shape_.layers; i++) {
    Layer layer;
    layer.attentionNorm = norm();
    for (Affine* each : {&layer.q, &layer.k, &layer.v, &layer.o}) *each = matrix(h, h);
    layer.mlpNorm = norm();
    layer.up = matrix(shape_.inner, h);
    layer.down = matrix(h, shape_.inner);
    layers_.push_back(layer);
  }
  norm_ = norm();
  tokenNorm_ = floats(h);
  const float* projection = floats(int64_t{h} * shape_.out);
  if (isGone) return "a file of the model is missing or has become shorter";
  // The file has a row for each number of a patch's vector; the kernels need one for each number that
  // is made.
  auto& rows = vectors_.emplace_back(static_cast<size_t>(h) * shape_.out);
  for (int i = 0; i < h; i++)
    for (int out = 0; out < shape_.out; out++) rows[static_cast<size_t>(out) * h + i] = projection[static_cast<size_t>(i) * shape_.out + out];
  projection_ = {rows.data(), nullptr, shape_.out, h};
  return "";
}

void VisionTower::normaliseRows(const Affine& by, const std::vector<float>& from, std::vector<float>& to) {
  const int h = shape_.hidden;
  to.resize(from.size());
  threads_.each(static_cast<int>(from.size() / h), [&](int row, int) { normalise(&from[static_cast<size_t>(row) * h], by, &to[static_cast<size_t>(row) * h]); });
}

void VisionTower::addTo(std::vector<float>& states, const std::vector<float>& made) {
  const int h = shape_.hidden;
  threads_.each(static_cast<int>(states.size() / h), [&](int row, int) {
    for (size_t i = static_cast<size_t>(row) * h; i < static_cast<size_t>(row + 1) * h; i++) states[i] += made[i];
  });
}

std::vector<float> VisionTower::embed(const std::vector<float>& numbers) {
  /// Rows of one thread's share of attention: enough that packing the keys again costs little.
  constexpr int SHARE = 512;
  const int rows = shape_.patches(), shares = (rows + SHARE - 1) / SHARE;
  std::vector<float> states;
  multiply(patches_, numbers, rows, states);
  threads_.each(rows, [&](int row, int) {
    for (size_t i = static_cast<size_t>(row) * shape_.hidden; i < static_cast<size_t>(row + 1) * shape_.hidden; i++) states[i] += positions_[i];
  });
  attended_.resize(states.size());
  std::vector<std::vector<float>> rooms(threads_.count());
  for (const Layer& layer : layers_) {
    normaliseRows(layer.attentionNorm, states, normed_);
    multiply(layer.q, normed_, rows, q_);
    multiply(layer.k, normed_, rows, k_);
    multiply(layer.v, normed_, rows, v_);
    threads_.each(shares * shape_.heads, [&](int task, int thread) {
      const int from = task / shape_.heads * SHARE;
      attend({0, rows, from, std::min(from + SHARE, rows), task % shape_.heads}, rooms[thread]);
    });
    multiply(layer.o, attended_, rows, made_);
    addTo(states, made_);
    normaliseRows(layer.mlpNorm, states, normed_);
    multiply(layer.up, normed_, rows, inner_);
    threads_.each(rows, [&](int row, int) {
      float* x = &inner_[static_cast<size_t>(row) * shape_.inner];
      for (int i = 0; i < shape_.inner; i++) x[i] = 0.5f * x[i] * (1.0f + std::tanh(0.7978845608f * (x[i] + 0.044715f * x[i] * x[i] * x[i])));
    });
    multiply(layer.down, inner_, rows, made_);
    addTo(states, made_);
  }
  normaliseRows(norm_, states, normed_);
  std::vector<float> embeddings;
  multiply(projection_, pool(normed_), shape_.tokens(), embeddings);
  return embeddings;
}

/// Returns the normalised average of each square of patches.
std::vector<float> VisionTower::pool(const std::vector<float>& states) {
  const int h = shape_.hidden, pooled = shape_.pooled, tokensAcross = shape_.across / pooled;
  std::vector<float> tokens(static_cast<size_t>(shape_.tokens()) * h);
  threads_.each(shape_.tokens(), [&](int token, int) {
    float* to = &tokens[static_cast<size_t>(token) * h];
    const int top = token / tokensAcross * pooled, left = token % tokensAcross * pooled;
    for (int y = top; y < top + pooled; y++)
      for (int x = left; x < left + pooled; x++)
        for (int i = 0; i < h; i++) to[i] += states[(static_cast<size_t>(y) * shape_.across + x) * h + i];
    float squares = 0;
    for (int i = 0; i < h; i++) {
      to[i] /= static_cast<float>(pooled * pooled);
      squares += to[i] * to[i];
    }
    const float factor = 1.0f / std::sqrt(squares / static_cast<float>(h) + shape_.normEps);
    for (int i = 0; i < h; i++) to[i] *= factor * (1.0f + tokenNorm_[i]);
  });
  return tokens;
}

}  // namespace dinf::cpu
