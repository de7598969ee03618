#include "gemma4-tower.h"

#include <algorithm>
#include <cmath>

#include "packing.h"

namespace dinf::cpu {

std::string Gemma4TowerShape::wrong() const {
  if (!isFrom1To(hidden, 8192) || !isFrom1To(heads, 256) || !isFrom1To(headDim, 1024) || !isFrom1To(inner, 65536) || !isFrom1To(layers, 128) || !isFrom1To(out, 1 << 16) || !isFrom1To(positionsAcross, 1 << 16) || !isFrom1To(division.pooled, 256) || !isFrom1To(division.patch, 256) || division.frames != 1) return "a size of the tower is out of range";
  if (headDim % 4 != 0 || attended() > 65536) return "the heads of the tower have a size that does not rotate, or are too large";
  if (!(normEps >= 0 && normEps <= 1)) return "normEps is out of range";
  if (!(ropeTheta >= 1 && ropeTheta <= 1e12)) return "the rotation of the tower is out of range";
  return "";
}

std::vector<int64_t> Gemma4TowerShape::sizes() const {
  const int64_t h = hidden, a = attended(), i = inner, d = headDim;
  std::vector<int64_t> all{h * division.patchNumbers(), int64_t{2} * positionsAcross * h};
  const auto matrix = [&](int64_t size) {
    all.push_back(size);
    if (clips) all.insert(all.end(), 4, 1);
  };
  for (int layer = 0; layer < layers; layer++) {
    all.push_back(h);
    for (int each = 0; each < 3; each++) matrix(a * h);
    all.insert(all.end(), {d, d});
    matrix(h * a);
    all.insert(all.end(), {h, h});
    for (int each = 0; each < 3; each++) matrix(i * h);
    all.push_back(h);
  }
  if (standardises) all.insert(all.end(), {h, h});
  return all;
}

std::string Gemma4Tower::wrong(const TowerImage& image) const {
  const std::string wrong = image.wrong(shape_.division);
  if (!wrong.empty()) return wrong;
  const Grid grid = image.grid(shape_.division);
  return std::max(grid.rows, grid.columns) > shape_.positionsAcross ? "the image has more rows or columns than positions" : "";
}

Gemma4Tower::Clipped Gemma4Tower::clippedMatrix(int out, int in) {
  Clipped made{weights_.matrix(out, in)};
  if (shape_.clips)
    for (float* bound : {&made.least, &made.most, &made.leastMade, &made.mostMade})
      if (const float* number = weights_.floats(1)) *bound = *number;
  return made;
}

std::string Gemma4Tower::load(const std::vector<Tensor>& tensors) {
  const int h = shape_.hidden, attended = shape_.attended();
  weights_.open(tensors);
  patches_ = weights_.matrix(h, shape_.division.patchNumbers());
  positions_ = weights_.matrix(2 * shape_.positionsAcross, h);
  for (int i = 0; i < shape_.layers; i++) {
    Layer layer;
    layer.attentionNorm = weights_.floats(h);
    for (Clipped* each : {&layer.q, &layer.k, &layer.v}) *each = clippedMatrix(attended, h);
    layer.qNorm = weights_.floats(shape_.headDim);
    layer.kNorm = weights_.floats(shape_.headDim);
    layer.o = clippedMatrix(h, attended);
    layer.attentionOutputNorm = weights_.floats(h);
    layer.mlpNorm = weights_.floats(h);
    for (Clipped* each : {&layer.gate, &layer.up}) *each = clippedMatrix(shape_.inner, h);
    layer.down = clippedMatrix(h, shape_.inner);
    layer.mlpOutputNorm = weights_.floats(h);
    layers_.push_back(layer);
  }
  if (shape_.standardises) {
    bias_ = weights_.floats(h);
    scale_ = weights_.floats(h);
  }
  ones_.assign(std::max(h, shape_.headDim), 1.0f);
  return weights_.isGone() ? "a file of the model is missing or has become shorter" : "";
}

void Gemma4Tower::multiplyClipped(const Clipped& by, const std::vector<float>& from, int rows, std::vector<float>& to) {
  if (!shape_.clips) return multiply(by.matrix, from, rows, to);
  const auto clip = [&](const std::vector<float>& these, std::vector<float>& into, float least, float most) {
    const size_t width = these.size() / rows;
    threads_.each(rows, [&](int row, int) {
      for (size_t i = row * width; i < (row + 1) * width; i++) into[i] = std::min(std::max(these[i], least), most);
    });
  };
  clipped_.resize(from.size());
  clip(from, clipped_, by.least, by.most);
  multiply(by.matrix, clipped_, rows, to);
  clip(to, to, by.leastMade, by.mostMade);
}

/// Adds the entry of each patch's column and that of its row. The table of columns is the first one. The
/// entries stay in the file, because an image needs few of them.
void Gemma4Tower::addPositions(const Grid& grid, std::vector<float>& states) {
  const int h = shape_.hidden;
  const auto* bytes = static_cast<const uint8_t*>(positions_.weight);
  threads_.each(grid.patches(), [&](int patch, int) {
    const auto [row, column] = grid.place(patch);
    const size_t ofColumn = static_cast<size_t>(column) * h, ofRow = (static_cast<size_t>(shape_.positionsAcross) + row) * h;
    float* to = &states[static_cast<size_t>(patch) * h];
    for (int i = 0; i < h; i++) to[i] += toFloat(bytes, positions_.type, ofColumn + i) + toFloat(bytes, positions_.type, ofRow + i);
  });
}

/// Normalises each row by the root of the mean of its squares.
void Gemma4Tower::normaliseRows(const float* weight, const std::vector<float>& from, std::vector<float>& to) {
  const int h = shape_.hidden;
  to.resize(from.size());
  threads_.each(static_cast<int>(from.size() / h), [&](int row, int) { kernels_.normalise(&from[static_cast<size_t>(row) * h], weight, h, normEps_, &to[static_cast<size_t>(row) * h]); });
}

/// Normalises every head, and rotates it if there are turns.
void Gemma4Tower::prepareHeads(std::vector<float>& vectors, const float* weight, const std::vector<float>& turns) {
  const int size = shape_.headDim, pairs = size / 2, ofHalf = pairs / 2, heads = shape_.heads;
  threads_.each(static_cast<int>(vectors.size() / hidden_), [&](int patch, int) {
    for (int head = 0; head < heads; head++) {
      float* at = &vectors[static_cast<size_t>(patch) * hidden_ + static_cast<size_t>(head) * size];
      kernels_.normalise(at, weight, size, normEps_, at);
      if (turns.empty()) continue;
      const float* turn = &turns[static_cast<size_t>(patch) * 2 * pairs];
      for (int pair = 0; pair < pairs; pair++) {
        float& one = at[pair < ofHalf ? pair : pair + ofHalf];
        float& other = (&one)[ofHalf];
        const float cos = turn[2 * pair], sin = turn[2 * pair + 1], before = one;
        one = before * cos - other * sin;
        other = other * cos + before * sin;
      }
    }
  });
}

void Gemma4Tower::addNormalised(std::vector<float>& states, std::vector<float>& made, const float* weight) {
  const int h = shape_.hidden;
  threads_.each(static_cast<int>(states.size() / h), [&](int row, int) {
    const size_t first = static_cast<size_t>(row) * h;
    kernels_.normalise(&made[first], weight, h, normEps_, &made[first]);
    for (size_t i = first; i < first + h; i++) states[i] += made[i];
  });
}

std::vector<float> Gemma4Tower::embed(const TowerImage& image) {
  const Grid grid = image.grid(shape_.division);
  const int rows = grid.patches();
  std::vector<float> states;
  multiply(patches_, image.numbers(shape_.division, threads_), rows, states);
  addPositions(grid, states);
  const std::vector<float> turns = turnsOf(grid, shape_.headDim / 2, shape_.ropeTheta, false, threads_);
  for (const Layer& layer : layers_) {
    normaliseRows(layer.attentionNorm, states, normed_);
    multiplyClipped(layer.q, normed_, rows, q_);
    multiplyClipped(layer.k, normed_, rows, k_);
    multiplyClipped(layer.v, normed_, rows, v_);
    prepareHeads(q_, layer.qNorm, turns);
    prepareHeads(k_, layer.kNorm, turns);
    prepareHeads(v_, ones_.data(), {});
    attendWhole(rows);
    multiplyClipped(layer.o, attended_, rows, made_);
    addNormalised(states, made_, layer.attentionOutputNorm);
    normaliseRows(layer.mlpNorm, states, normed_);
    multiplyClipped(layer.gate, normed_, rows, inner_);
    multiplyClipped(layer.up, normed_, rows, up_);
    threads_.each(rows, [&](int row, int) {
      const size_t first = static_cast<size_t>(row) * shape_.inner;
      kernels_.activate(&inner_[first], &up_[first], shape_.inner, Activation::gelu, 0);
    });
    multiplyClipped(layer.down, inner_, rows, made_);
    addNormalised(states, made_, layer.mlpOutputNorm);
  }
  std::vector<float> made;
  multiply({projection_.data(), nullptr, shape_.out, shape_.hidden}, averages(grid, states), grid.tokens(), made);
  return made;
}

/// Returns the normalised average of each square. Averages are scaled by the root of their size before they
/// are standardised.
std::vector<float> Gemma4Tower::averages(const Grid& grid, const std::vector<float>& states) {
  const int h = shape_.hidden, count = grid.pooled * grid.pooled;
  std::vector<float> made(static_cast<size_t>(grid.tokens()) * h);
  threads_.each(grid.tokens(), [&](int token, int) {
    float* to = &made[static_cast<size_t>(token) * h];
    for (int patch = token * count; patch < (token + 1) * count; patch++)
      for (int i = 0; i < h; i++) to[i] += states[static_cast<size_t>(patch) * h + i];
    const float factor = std::sqrt(static_cast<float>(h)) / static_cast<float>(count);
    for (int i = 0; i < h; i++) to[i] = bias_ ? (to[i] * factor - bias_[i]) * scale_[i] : to[i] * factor;
    kernels_.normalise(to, ones_.data(), h, normEps_, to);
  });
  return made;
}

}  // namespace dinf::cpu
