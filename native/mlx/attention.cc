// Attention over the pages of a cache.
#include <algorithm>

#include "engine.h"

namespace dinf::mlx {

std::vector<MlxEngine::Group> MlxEngine::groups(const Step& step) {
  std::vector<Group> groups;
  const int tokens = step.tokens.size();
  for (int t = 0; t < tokens;) {
    int end = t + 1;
    while (end < tokens && step.rows[end] == step.rows[t]) end++;
    const bool isSingle = end - t == 1;
    if (isSingle && !groups.empty() && groups.back().tokens == 1 && groups.back().firstToken + static_cast<int>(groups.back().rows.size()) == t) groups.back().rows.push_back(step.rows[t]);
    else {
      groups.emplace_back();
      groups.back().rows = {step.rows[t]};
      groups.back().firstToken = t;
      groups.back().tokens = end - t;
    }
    t = end;
  }
  for (Group& group : groups) {
    const int rows = group.rows.size();
    int longest = 0;
    for (int t = group.firstToken; t < group.firstToken + rows * group.tokens; t++) longest = std::max(longest, step.ends[t]);
    std::vector<int32_t> places(static_cast<size_t>(rows) * longest);
    for (int r = 0; r < rows; r++)
      for (int i = 0; i < longest; i++) places[static_cast<size_t>(r) * longest + i] = step.tables[group.rows[r] * step.tableWidth + i / model_.pageTokens] * model_.pageTokens + i % model_.pageTokens;
    group.places = listOf(places);
    for (const Layer& layer : model_.layers) {
      if (group.masks.count(layer.window)) continue;
      std::vector<uint8_t> seen(static_cast<size_t>(rows) * group.tokens * longest);
      for (int n = 0; n < rows * group.tokens; n++) {
        const auto [first, end] = model_.attended(layer, step.positions[group.firstToken + n], step.ends[group.firstToken + n]);
        for (int i = 0; i < longest; i++) seen[static_cast<size_t>(n) * longest + i] = i >= first && i < end;
      }
      group.masks.emplace(layer.window, mx::astype(mx::array(seen.data(), mx::Shape{rows, 1, group.tokens, longest}, mx::uint8), mx::bool_));
    }
  }
  return groups;
}

mx::array MlxEngine::heads(const Weights& w, const mx::array& input, const LayerOf& layer) { return mx::reshape(multiply(w, input), {input.shape(0), w.weight.shape(0) / layer.shape->headDim, layer.shape->headDim}); }

mx::array MlxEngine::rotated(mx::array x, const LayerOf& layer, const std::optional<mx::array>& norm, const Pass& pass) {
  // Smaller heads use the first of the cosines and of the sines for the largest heads.
  const int tokens = x.shape(0), count = x.shape(1), headDim = layer.shape->headDim, half = headDim / 2, pairs = model_.headDim / 2;
  const auto& angles = pass.ropeAngles[layer.shape->rope];
  const auto cos = mx::slice(angles, {0, 0, 0}, {tokens, 1, half}), sin = mx::slice(angles, {0, 0, pairs}, {tokens, 1, pairs + half});
  if (norm && model_.normsWholeProjections) x = mx::reshape(mx::fast::rms_norm(mx::reshape(x, {tokens, count * headDim}), *norm, model_.normEps), {tokens, count, headDim});
  else if (norm) x = mx::fast::rms_norm(x, *norm, model_.normEps);
  const auto a = mx::slice(x, {0, 0, 0}, {tokens, count, half}), b = mx::slice(x, {0, 0, half}, {tokens, count, 2 * half});
  return mx::concatenate({a * cos - b * sin, b * cos + a * sin}, -1);
}

void MlxEngine::storeKeys(LayerOf& layer, const mx::array& input, const Pass& pass) {
  const Layer& shape = *layer.shape;
  const mx::Shape update{input.shape(0), 1, shape.kvHeads, shape.headDim};
  const auto keys = heads(layer.k, input, layer);
  auto values = shape.keysAreValues ? keys : heads(layer.v, input, layer);
  if (model_.valueNorm) values = mx::fast::rms_norm(values, std::nullopt, model_.normEps);
  // The assignment releases the old array. The new one is then the only reference to the buffer,
  // so MLX writes to it in place and does not copy it.
  layer.keys = mx::scatter(layer.keys, pass.places, mx::reshape(rotated(keys, layer, layer.kNorm, pass), update), 0);
  layer.values = mx::scatter(layer.values, pass.places, mx::reshape(values, update), 0);
}

mx::array MlxEngine::attention(LayerOf& layer, const mx::array& input, const Pass& pass) {
  const Layer& shape = *layer.shape;
  const int headDim = shape.headDim, kvHeads = shape.kvHeads;
  const auto queries = rotated(heads(layer.q, input, layer), layer, layer.qNorm, pass);
  const LayerOf& from = shape.hasKeys() ? layer : (large_ ? large_->layers_ : layers_)[shape.keysOf];
  std::vector<mx::array> found;
  for (const Group& group : pass.groups) {
    const int rows = group.rows.size(), all = rows * group.tokens, length = group.places.shape(0) / rows;
    const auto seen = [&](const mx::array& cache) { return mx::transpose(mx::reshape(mx::take(cache, group.places, 0), {rows, length, kvHeads, headDim}), {0, 2, 1, 3}); };
    const auto asked = mx::transpose(mx::reshape(mx::slice(queries, {group.firstToken, 0, 0}, {group.firstToken + all, model_.heads, headDim}), {rows, group.tokens, model_.heads, headDim}), {0, 2, 1, 3});
    const auto& mask = group.masks.at(layer.shape->window);
#if MLX_VERSION_NUMERIC < 29000
    const auto made = mx::fast::scaled_dot_product_attention(asked, seen(from.keys), seen(from.values), model_.attentionScale, "array", mask);
#else
    const auto made = mx::fast::scaled_dot_product_attention(asked, seen(from.keys), seen(from.values), model_.attentionScale, "array", mask, layer.sinks);
#endif
    found.push_back(mx::reshape(mx::transpose(made, {0, 2, 1, 3}), {all, model_.heads * headDim}));
  }
  const auto attended = found.size() == 1 ? found[0] : mx::concatenate(found, 0);
  return multiply(layer.o, layer.shape->outputGate ? attended * mx::sigmoid(multiply(layer.outputGate, input)) : attended);
}

}  // namespace dinf::mlx
