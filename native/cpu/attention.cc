#include <algorithm>
#include <limits>

#include "decoder.h"

namespace dinf::cpu {

/// Rotates a head. `angles` has `pairs` cosines and then as many sines, of which a smaller head uses
/// the first ones.
static void rotate(float* head, const float* angles, int headDim, int pairs) {
  const int half = headDim / 2;
  for (int i = 0; i < half; i++) {
    const float a = head[i], b = head[half + i], cos = angles[i], sin = angles[pairs + i];
    head[i] = a * cos - b * sin;
    head[half + i] = b * cos + a * sin;
  }
}

void CpuEngine::readyHeads(const LayerOf& layer, const Step& step, int token, float* heads, int count, const std::vector<float>& norm) {
  const int headDim = layer.shape->headDim, pairs = model_.headDim / 2;
  const float* angles = step.ropeAngles.data() + (layer.shape->rope * step.tokens.size() + token) * model_.headDim;
  if (model_.normsWholeProjections) kernels_->normalise(heads, norm.data(), count * headDim, model_.normEps, heads);
  for (int h = 0; h < count; h++, heads += headDim) {
    if (!norm.empty() && !model_.normsWholeProjections) kernels_->normalise(heads, norm.data(), headDim, model_.normEps, heads);
    rotate(heads, angles, headDim, pairs);
  }
}

void CpuEngine::readyQueries(LayerOf& layer, const Step& step, int token) { readyHeads(layer, step, token, q_.data() + static_cast<size_t>(token) * model_.heads * layer.shape->headDim, model_.heads, layer.qNorm); }

void CpuEngine::storeKeys(LayerOf& layer, const Step& step, int token) {
  const Layer& shape = *layer.shape;
  const int headDim = shape.headDim, kvHeads = shape.kvHeads, stride = kvHeads * headDim;
  float *keys = k_.data() + static_cast<size_t>(token) * stride, *values = v_.data() + static_cast<size_t>(token) * stride;
  if (shape.keysAreValues) std::copy_n(keys, stride, values);
  if (model_.valueNorm)
    for (int h = 0; h < kvHeads; h++) kernels_->normalise(values + h * headDim, ones_.data(), headDim, model_.normEps, values + h * headDim);
  readyHeads(layer, step, token, keys, kvHeads, layer.kNorm);
  const int page = step.places[token] / model_.pageTokens, slot = step.places[token] % model_.pageTokens;
  float* key = layer.keys.data() + static_cast<size_t>(page) * model_.pageTokens * stride + slot;
  for (int i = 0; i < stride; i++) key[static_cast<size_t>(i) * model_.pageTokens] = keys[i];
  std::copy_n(values, stride, layer.values.data() + static_cast<size_t>(step.places[token]) * stride);
}

/// Computes attention for the queries in q_, and writes the result to out_.
void CpuEngine::attention(LayerOf& layer, const Step& step) {
  const Layer& shape = *layer.shape;
  LayerOf& from = shape.hasKeys() ? layer : (large_ ? large_->layers_ : layers_)[shape.keysOf];
  const int tokens = step.tokens.size(), headDim = shape.headDim, heads = model_.heads, kvHeads = shape.kvHeads, shared = heads / kvHeads;
  const int stride = kvHeads * headDim;
  // Tokens of one sequence that follow one another share one reading of its keys and values.
  const int together = std::max(1, MOST_QUERIES / shared);
  std::vector<int> groups;
  for (int t = 0; t < tokens; t++)
    if (t == 0 || t == groups.back() + together || step.rows[t] != step.rows[t - 1]) groups.push_back(t);
  const int count = groups.size();
  groups.push_back(tokens);
  threads_->each(count * kvHeads, [&](int i, int thread) {
    const int t = groups[i / kvHeads], head = i % kvHeads, group = groups[i / kvHeads + 1] - t;
    Attended attended[MOST_QUERIES];
    int least = std::numeric_limits<int>::max(), most = 0;
    for (int j = 0; j < group; j++) {
      const auto [first, end] = model_.attended(shape, step.positions[t + j], step.ends[t + j]);
      attended[j] = {first, end - 1};
      least = std::min(least, first);
      most = std::max(most, end - 1);
    }
    auto& scores = scores_[thread];
    const size_t row = static_cast<size_t>(most - least + 1) + 3 * model_.pageTokens, width = static_cast<size_t>(heads) * headDim;
    scores.resize(std::max(scores.size(), row * MOST_QUERIES));
    for (int h = 0; h < shared; h += MOST_QUERIES) {
      const size_t offset = t * width + static_cast<size_t>(head * shared + h) * headDim;
      kernels_->attend({q_.data() + offset, from.keys.data() + static_cast<size_t>(head) * headDim * model_.pageTokens, from.values.data() + head * headDim, step.tables.data() + static_cast<size_t>(step.rows[t]) * step.tableWidth,
                        model_.pageTokens, attended, group, std::min(MOST_QUERIES, shared - h), headDim, stride, width, model_.attentionScale, layer.sinks.empty() ? nullptr : layer.sinks.data() + head * shared + h, scores.data(), row, out_.data() + offset});
    }
  });
  if (layer.shape->outputGate)
    threads_->each(tokens, [&](int t, int) {
      for (size_t i = static_cast<size_t>(t) * heads * headDim; i < static_cast<size_t>(t + 1) * heads * headDim; i++) out_[i] *= sigmoid(outputGate_[i]);
    });
  setInputs(attended_, out_.data(), heads * headDim);
}

}  // namespace dinf::cpu
