#include "vision-tower.h"

#include <algorithm>
#include <cmath>

namespace dinf::cpu {

namespace {
/// Two neighbours in the table of positions, and the share of the second one.
struct Between {
  int first, second;
  float share;
};

Between between(int index, int count, int across) {
  const float at = static_cast<float>(index) * static_cast<float>(across - 1) / static_cast<float>(std::max(1, count - 1));
  const int first = std::min(static_cast<int>(at), across - 1);
  return {first, std::min(first + 1, across - 1), at - static_cast<float>(first)};
}

float geluErf(float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); }
}  // namespace

std::string TowerShape::wrong() const {
  if (!isFrom1To(hidden, 8192) || !isFrom1To(heads, 256) || !isFrom1To(inner, 65536) || !isFrom1To(layers, 128) || !isFrom1To(out, 1 << 16) || !isFrom1To(positionsAcross, 256) || !isFrom1To(division.pooled, 256) || !isFrom1To(division.patch, 256) || !isFrom1To(division.frames, 4) || !isFrom1To(int64_t{hidden} * division.pooled * division.pooled, 1 << 20)) return "a size of the tower is out of range";
  if (hidden % heads != 0) return "the heads do not divide the tower";
  if (!(normEps >= 0 && normEps <= 1)) return "normEps is out of range";
  if (!(ropeTheta == 0 || (ropeTheta >= 1 && ropeTheta <= 1e12)) || (ropeTheta > 0 && hidden / heads % 4 != 0)) return "the rotation of the tower is out of range";
  if (deepLayers.size() > 16 || (!deepLayers.empty() && !merges)) return "the layers for the decoder are too many, or have no merger";
  for (size_t i = 0; i < deepLayers.size(); i++)
    if (deepLayers[i] < (i == 0 ? 0 : deepLayers[i - 1] + 1) || deepLayers[i] >= layers) return "the layers for the decoder are not layers in rising order";
  return "";
}

std::vector<int64_t> TowerShape::sizes() const {
  const int64_t h = hidden, i = inner, s = square();
  std::vector<int64_t> all{h * division.patchNumbers(), h, int64_t{positionsAcross} * positionsAcross * h};
  for (int layer = 0; layer < layers; layer++) all.insert(all.end(), {h, h, h * h, h, h * h, h, h * h, h, h * h, h, h, h, i * h, i, h * i, h});
  if (merges) all.insert(all.end(), {h, h, s * s, s, s * out, out});
  else all.insert(all.end(), {h, h, h, h * out});
  for (size_t deep = 0; deep < deepLayers.size(); deep++) all.insert(all.end(), {s, s, s * s, s, s * out, out});
  return all;
}

std::string VisionTower::load(const std::vector<Tensor>& tensors) {
  const int h = shape_.hidden, square = shape_.square();
  weights_.open(tensors);
  const auto floats = [&](int64_t count) { return weights_.floats(count); };
  const auto matrix = [&](int out, int in) {
    Affine made = weights_.matrix(out, in);
    made.bias = floats(out);
    return made;
  };
  const auto norm = [&](int size) {
    const float* weight = floats(size);
    return Affine{weight, floats(size), size, 1};
  };
  const auto merger = [&](int normed) {
    const Affine by = norm(normed), up = matrix(square, square);
    return Merger{by, up, matrix(shape_.out, square)};
  };
  patches_ = matrix(h, shape_.division.patchNumbers());
  positions_ = floats(int64_t{shape_.positionsAcross} * shape_.positionsAcross * h);
  for (int i = 0; i < shape_.layers; i++) {
    Layer layer;
    layer.attentionNorm = norm(h);
    for (Affine* each : {&layer.q, &layer.k, &layer.v, &layer.o}) *each = matrix(h, h);
    layer.mlpNorm = norm(h);
    layer.up = matrix(shape_.inner, h);
    layer.down = matrix(h, shape_.inner);
    layers_.push_back(layer);
  }
  const float* projection = nullptr;
  if (shape_.merges) merger_ = merger(h);
  else {
    norm_ = norm(h);
    tokenNorm_ = floats(h);
    projection = floats(int64_t{h} * shape_.out);
  }
  for (size_t deep = 0; deep < shape_.deepLayers.size(); deep++) deep_.push_back(merger(square));
  if (weights_.isGone()) return "a file of the model is missing or has become shorter";
  if (shape_.merges) return "";
  // The file has a row for each number of a patch's vector; the kernels need one for each number that
  // is made.
  auto& rows = weights_.make(static_cast<size_t>(h) * shape_.out);
  for (int i = 0; i < h; i++)
    for (int out = 0; out < shape_.out; out++) rows[static_cast<size_t>(out) * h + i] = projection[static_cast<size_t>(i) * shape_.out + out];
  projection_ = {rows.data(), nullptr, shape_.out, h};
  return "";
}

/// Positions of the table, or ones between its entries if the image has another number of patches. The
/// corners of the table are those of the image.
void VisionTower::addPositions(const Grid& grid, std::vector<float>& states) {
  const int h = shape_.hidden, across = shape_.positionsAcross;
  threads_.each(grid.patches(), [&](int patch, int) {
    const auto [y, x] = grid.place(patch);
    const Between row = between(y, grid.rows, across), column = between(x, grid.columns, across);
    const auto entry = [&](int r, int c) { return positions_ + (static_cast<size_t>(r) * across + c) * h; };
    const float *a = entry(row.first, column.first), *b = entry(row.first, column.second), *c = entry(row.second, column.first), *d = entry(row.second, column.second);
    const float top = 1 - row.share, left = 1 - column.share;
    float* to = &states[static_cast<size_t>(patch) * h];
    for (int i = 0; i < h; i++) to[i] += top * (left * a[i] + column.share * b[i]) + row.share * (left * c[i] + column.share * d[i]);
  });
}

void VisionTower::rotate(const std::vector<float>& turns, std::vector<float>& vectors) {
  const int size = shape_.hidden / shape_.heads, pairs = size / 2;
  threads_.each(static_cast<int>(turns.size() / (2 * pairs)), [&](int patch, int) {
    for (int pair = 0; pair < pairs; pair++) {
      const float* turn = &turns[(static_cast<size_t>(patch) * pairs + pair) * 2];
      const float cos = turn[0], sin = turn[1];
      for (int head = 0; head < shape_.heads; head++) {
        float* at = &vectors[static_cast<size_t>(patch) * shape_.hidden + static_cast<size_t>(head) * size + pair];
        const float one = at[0], other = at[pairs];
        at[0] = one * cos - other * sin;
        at[pairs] = other * cos + one * sin;
      }
    }
  });
}

void VisionTower::normaliseRows(const Affine& by, const std::vector<float>& from, std::vector<float>& to) {
  const int width = by.out;
  to.resize(from.size());
  threads_.each(static_cast<int>(from.size() / width), [&](int row, int) { normalise(&from[static_cast<size_t>(row) * width], by, &to[static_cast<size_t>(row) * width]); });
}

void VisionTower::addTo(std::vector<float>& states, const std::vector<float>& made) {
  const int h = shape_.hidden;
  threads_.each(static_cast<int>(states.size() / h), [&](int row, int) {
    for (size_t i = static_cast<size_t>(row) * h; i < static_cast<size_t>(row + 1) * h; i++) states[i] += made[i];
  });
}

std::vector<float> VisionTower::embed(const TowerImage& image) {
  const Grid grid = image.grid(shape_.division);
  const int rows = grid.patches();
  std::vector<float> states;
  multiply(patches_, image.numbers(shape_.division, threads_), rows, states);
  addPositions(grid, states);
  // A tower whose positions have a table rotates nothing.
  const std::vector<float> turns = shape_.ropeTheta == 0 ? std::vector<float>() : turnsOf(grid, shape_.hidden / shape_.heads / 2, shape_.ropeTheta, true, threads_);
  std::vector<std::vector<float>> parts(1);
  const std::vector<float> ones(shape_.inner, 1.0f);
  for (int index = 0; index < shape_.layers; index++) {
    const Layer& layer = layers_[index];
    normaliseRows(layer.attentionNorm, states, normed_);
    multiply(layer.q, normed_, rows, q_);
    multiply(layer.k, normed_, rows, k_);
    multiply(layer.v, normed_, rows, v_);
    if (!turns.empty())
      for (std::vector<float>* vectors : {&q_, &k_}) rotate(turns, *vectors);
    attendWhole(rows);
    multiply(layer.o, attended_, rows, made_);
    addTo(states, made_);
    normaliseRows(layer.mlpNorm, states, normed_);
    multiply(layer.up, normed_, rows, inner_);
    threads_.each(rows, [&](int row, int) {
      kernels_.activate(&inner_[static_cast<size_t>(row) * shape_.inner], ones.data(), shape_.inner, Activation::gelu, 0);
    });
    multiply(layer.down, inner_, rows, made_);
    addTo(states, made_);
    const auto deep = std::find(shape_.deepLayers.begin(), shape_.deepLayers.end(), index);
    if (deep != shape_.deepLayers.end()) parts.push_back(merge(deep_[deep - shape_.deepLayers.begin()], states));
  }
  parts[0] = shape_.merges ? merge(merger_, states) : average(states);
  if (parts.size() == 1) return parts[0];
  std::vector<float> all;
  all.reserve(parts.size() * parts[0].size());
  for (int token = 0; token < grid.tokens(); token++)
    for (const auto& part : parts) all.insert(all.end(), part.begin() + static_cast<ptrdiff_t>(token) * shape_.out, part.begin() + static_cast<ptrdiff_t>(token + 1) * shape_.out);
  return all;
}

/// Returns what a merger makes of the vectors of each square, which follow one another in `states`. They
/// are normalised each for itself, or together.
std::vector<float> VisionTower::merge(const Merger& merger, const std::vector<float>& states) {
  const int square = shape_.square(), tokens = static_cast<int>(states.size() / square);
  normaliseRows(merger.norm, states, normed_);
  multiply(merger.up, normed_, tokens, inner_);
  threads_.each(tokens, [&](int token, int) {
    float* x = &inner_[static_cast<size_t>(token) * square];
    std::transform(x, x + square, x, geluErf);
  });
  std::vector<float> made;
  multiply(merger.down, inner_, tokens, made);
  return made;
}

/// Returns the projection of the normalised average of each square.
std::vector<float> VisionTower::average(const std::vector<float>& states) {
  const int h = shape_.hidden, count = shape_.division.pooled * shape_.division.pooled, tokens = static_cast<int>(states.size() / shape_.square());
  normaliseRows(norm_, states, normed_);
  std::vector<float> averages(static_cast<size_t>(tokens) * h), made;
  threads_.each(tokens, [&](int token, int) {
    float* to = &averages[static_cast<size_t>(token) * h];
    for (int patch = token * count; patch < (token + 1) * count; patch++)
      for (int i = 0; i < h; i++) to[i] += normed_[static_cast<size_t>(patch) * h + i];
    float squares = 0;
    for (int i = 0; i < h; i++) {
      to[i] /= static_cast<float>(count);
      squares += to[i] * to[i];
    }
    const float factor = 1.0f / std::sqrt(squares / static_cast<float>(h) + shape_.normEps);
    for (int i = 0; i < h; i++) to[i] *= factor * (1.0f + tokenNorm_[i]);
  });
  multiply(projection_, averages, tokens, made);
  return made;
}

}  // namespace dinf::cpu
