#include <algorithm>

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

/// Computes attention for the queries, keys and values in q_, k_ and v_, and writes the result to
/// out_.
void CpuEngine::attention(LayerOf& layer, const Step& step, const float* ropeAngles) {
  const Layer& shape = *layer.shape;
  LayerOf& from = shape.hasKeys() ? layer : layers_[shape.keysOf];
  const int tokens = step.tokens.size(), headDim = shape.headDim, heads = model_.heads, kvHeads = shape.kvHeads, shared = heads / kvHeads;
  const int stride = kvHeads * headDim;
  threads_->each(tokens, [&](int t, int) {
    const float* angles = ropeAngles + static_cast<size_t>(t) * model_.headDim;
    const auto ready = [&](float* at, int count, const std::vector<float>& norm) {
      if (model_.normsWholeProjections) kernels_->normalise(at, norm.data(), count * headDim, model_.normEps, at);
      for (int h = 0; h < count; h++, at += headDim) {
        if (!norm.empty() && !model_.normsWholeProjections) kernels_->normalise(at, norm.data(), headDim, model_.normEps, at);
        rotate(at, angles, headDim, model_.headDim / 2);
      }
    };
    ready(q_.data() + static_cast<size_t>(t) * heads * headDim, heads, layer.qNorm);
    if (!shape.hasKeys()) return;
    float* values = v_.data() + static_cast<size_t>(t) * stride;
    if (shape.keysAreValues) std::copy_n(k_.data() + static_cast<size_t>(t) * stride, stride, values);
    if (model_.valueNorm)
      for (int h = 0; h < kvHeads; h++) kernels_->normalise(values + h * headDim, ones_.data(), headDim, model_.normEps, values + h * headDim);
    ready(k_.data() + static_cast<size_t>(t) * stride, kvHeads, layer.kNorm);
    const int page = step.places[t] / model_.pageTokens, slot = step.places[t] % model_.pageTokens;
    float* key = layer.keys.data() + static_cast<size_t>(page) * model_.pageTokens * stride + slot;
    for (int i = 0; i < stride; i++) key[static_cast<size_t>(i) * model_.pageTokens] = k_[static_cast<size_t>(t) * stride + i];
    std::copy_n(values, stride, layer.values.data() + static_cast<size_t>(step.places[t]) * stride);
  });
  threads_->each(tokens * kvHeads, [&](int i, int thread) {
    const int t = i / kvHeads, head = i % kvHeads;
    const auto [first, end] = model_.attended(shape, step.positions[t], step.ends[t]);
    const int last = end - 1;
    auto& scores = scores_[thread];
    const size_t row = static_cast<size_t>(last - first + 1) + 2 * model_.pageTokens;
    scores.resize(std::max(scores.size(), row * shared));
    const size_t offset = (static_cast<size_t>(t) * heads + head * shared) * headDim;
    kernels_->attend({q_.data() + offset, from.keys.data() + static_cast<size_t>(head) * headDim * model_.pageTokens, from.values.data() + head * headDim, step.tables.data() + static_cast<size_t>(step.rows[t]) * step.tableWidth,
                      model_.pageTokens, first, last, shared, headDim, stride, model_.attentionScale, layer.sinks.empty() ? nullptr : layer.sinks.data() + head * shared, scores.data(), row, out_.data() + offset});
  });
  if (layer.shape->outputGate)
    threads_->each(tokens, [&](int t, int) {
      for (size_t i = static_cast<size_t>(t) * heads * headDim; i < static_cast<size_t>(t + 1) * heads * headDim; i++) out_[i] *= sigmoid(outputGate_[i]);
    });
  setInputs(attended_, out_.data(), heads * headDim);
}

}  // namespace dinf::cpu
