// Embeddings of a token for each layer.
#include <cmath>

#include "decoder.h"

namespace dinf::cpu {

/// Computes the embeddings of the step's tokens for all layers, from the state before the first one.
void CpuEngine::embedForLayers(const Step& step) {
  const PerLayerEmbedding& about = *model_.perLayer;
  const int tokens = step.tokens.size(), width = about.width, all = width * layers_.size();
  setInputs(inputs_, state_.data(), model_.hidden);
  multiply({{&perLayerProjection_, perLayer_.data()}}, inputs_, tokens);
  threads_->each(tokens, [&](int t, int) {
    std::vector<float> found(all);
    perLayerEmbedding_.row(step.tokens[t], found.data());
    float* row = perLayer_.data() + static_cast<size_t>(t) * all;
    for (int i = 0; i < all; i++) row[i] *= about.projectionScale;
    for (int from = 0; from < all; from += width) kernels_->normalise(row + from, perLayerNorm_.data(), width, model_.normEps, row + from);
    for (int i = 0; i < all; i++) row[i] = (row[i] + found[i] * about.embeddingScale) * static_cast<float>(M_SQRT1_2);
  });
}

/// Adds to the state what the layer makes of its own embeddings.
void CpuEngine::addPerLayer(LayerOf& layer, int tokens) {
  const size_t width = model_.perLayer->width, all = width * layers_.size(), first = (&layer - layers_.data()) * width;
  setInputs(inputs_, state_.data(), model_.hidden);
  multiply({{&layer.perLayerGate, gate_.data()}}, inputs_, tokens);
  threads_->each(tokens, [&](int t, int) { kernels_->activate(gate_.data() + t * width, perLayer_.data() + t * all + first, width, model_.activation, model_.activationLimit); });
  setInputs(gated_, gate_.data(), width);
  multiply({{&layer.perLayerProjection, made_.data()}}, gated_, tokens);
  addTo(state_.data(), made_.data(), layer.perLayerNorm, tokens);
}

}  // namespace dinf::cpu
