// Attention over the pages of a cache.
#include <algorithm>

#include "engine.h"

namespace dinf::mlx {

/// A row that reads as many consecutive places is computed alone: to copy them for one computation with
/// other rows would take longer.
constexpr int PLACES_READ_ALONE = 128;

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
  for (Group& group : groups)
    for (const Layer& layer : model_.layers)
      if (!group.parts.count(layer.window)) group.parts.emplace(layer.window, partsOf(step, group, layer));
  return groups;
}

std::vector<MlxEngine::Part> MlxEngine::partsOf(const Step& step, const Group& group, const Layer& layer) const {
  const int rows = group.rows.size();
  std::vector<Part> parts;
  int first = 0;
  const auto addUpTo = [&](int end) {
    if (first < end) parts.push_back(partOf(step, group, layer, first, end - first));
    first = end;
  };
  for (int r = 0; rows > 1 && r < rows; r++) {
    Part alone = partOf(step, group, layer, r, 1);
    if (!alone.places.first || alone.places.count < PLACES_READ_ALONE) continue;
    addUpTo(r);
    parts.push_back(std::move(alone));
    first = r + 1;
  }
  addUpTo(rows);
  return parts;
}

MlxEngine::Part MlxEngine::partOf(const Step& step, const Group& group, const Layer& layer, int firstRow, int rows) const {
  const int tokens = group.tokens, firstToken = group.firstToken + firstRow * tokens;
  const auto attended = [&](int row, int token) {
    const int t = firstToken + row * tokens + token;
    return model_.attended(layer, step.positions[t], step.ends[t]);
  };
  /// For each row, the positions that any of its tokens attends to.
  std::vector<std::pair<int, int>> spans;
  int length = 0;
  for (int r = 0; r < rows; r++) {
    auto span = attended(r, 0);
    for (int t = 1; t < tokens; t++) span = {std::min(span.first, attended(r, t).first), std::max(span.second, attended(r, t).second)};
    spans.push_back(span);
    length = std::max(length, span.second - span.first);
  }
  std::vector<int32_t> places;
  bool isCausal = true;
  for (int r = 0; r < rows; r++) {
    const auto [begin, end] = spans[r];
    const int32_t* table = step.tables.data() + group.rows[firstRow + r] * step.tableWidth;
    for (int i = 0; i < length; i++) {
      const int position = std::min(begin + i, end - 1);
      places.push_back(table[position / model_.pageTokens] * model_.pageTokens + position % model_.pageTokens);
    }
    for (int t = 0; t < tokens; t++) isCausal = isCausal && attended(r, t) == std::pair(begin, begin + length - tokens + 1 + t);
  }
  if (isCausal) return {firstToken, rows, Places(places), tokens == 1 ? "" : "causal", std::nullopt};
  std::vector<uint8_t> isSeen;
  for (int r = 0; r < rows; r++)
    for (int t = 0; t < tokens; t++) {
      const auto [first, end] = attended(r, t);
      for (int i = spans[r].first; i < spans[r].first + length; i++) isSeen.push_back(i >= first && i < end);
    }
  return {firstToken, rows, Places(places), "array", mx::astype(mx::array(isSeen.data(), mx::Shape{rows, 1, tokens, length}, mx::uint8), mx::bool_)};
}

mx::array MlxEngine::heads(const Weights& w, const mx::array& input, const LayerOf& layer) { return mx::reshape(multiply(w, input), {input.shape(0), w.weight.shape(0) / layer.shape->headDim, layer.shape->headDim}); }

mx::array MlxEngine::rotated(mx::array x, const LayerOf& layer, const std::optional<mx::array>& norm, const Pass& pass) {
  const int tokens = x.shape(0), count = x.shape(1), headDim = layer.shape->headDim, half = headDim / 2;
  if (norm && model_.normsWholeProjections) x = mx::reshape(mx::fast::rms_norm(mx::reshape(x, {tokens, count * headDim}), *norm, model_.normEps), {tokens, count, headDim});
  else if (norm) x = mx::fast::rms_norm(x, *norm, model_.normEps);
  // Smaller heads use the first of the angles for the largest heads.
  const auto& [cosines, sines] = pass.ropeAngles[layer.shape->rope];
  const auto cos = mx::slice(cosines, {0, 0, 0, 0}, {tokens, 1, 1, half}), sin = mx::slice(sines, {0, 0, 0, 0}, {tokens, 1, 2, half});
  const auto halves = mx::reshape(x, {tokens, count, 2, half});
  const auto swapped = mx::slice(halves, {0, 0, 1, 0}, {tokens, count, -3, half}, {1, 1, -1, 1});
  return mx::reshape(halves * cos + swapped * sin, x.shape());
}

/// Returns the cache with what was made for tokens, [token, head, number], in its places.
static mx::array stored(const mx::array& cache, const mx::array& made, const Places& places) {
  const int heads = made.shape(1), headDim = made.shape(2);
  if (places.first) return mx::slice_update(cache, mx::transpose(made, {1, 0, 2}), mx::Shape{0, *places.first, 0}, mx::Shape{heads, *places.first + places.count, headDim});
  return mx::scatter(cache, *places.list, mx::expand_dims(made, 2), 1);
}

void MlxEngine::storeKeys(LayerOf& layer, const mx::array& input, const Pass& pass) {
  const auto keys = heads(layer.k, input, layer);
  auto values = layer.shape->keysAreValues ? keys : heads(layer.v, input, layer);
  if (model_.valueNorm) values = mx::fast::rms_norm(values, std::nullopt, model_.normEps);
  // The assignment releases the old array. The new one is then the only reference to the buffer,
  // so MLX writes to it in place and does not copy it.
  layer.keys = stored(layer.keys, rotated(keys, layer, layer.kNorm, pass), pass.places);
  layer.values = stored(layer.values, values, pass.places);
}

/// Returns the keys or values of rows, [row, head, place, number]. Those at consecutive places are not copied.
static mx::array found(const mx::array& cache, const Places& places, int rows) {
  const int heads = cache.shape(0), size = cache.shape(1), headDim = cache.shape(2);
  const auto together = [&] { return mx::slice(cache, {0, *places.first, 0}, {heads, *places.first + places.count, headDim}); };
  // MLX copies quickly what is in one piece, so the places of each head are in the list.
  const auto gathered = [&] { return mx::take(mx::reshape(cache, {heads * size, headDim}), mx::reshape(mx::arange(0, heads * size, size, mx::int32), {heads, 1}) + *places.list, 0); };
  return mx::transpose(mx::reshape(places.first ? together() : gathered(), {heads, rows, places.count / rows, headDim}), {1, 0, 2, 3});
}

mx::array MlxEngine::attention(LayerOf& layer, const mx::array& input, const Pass& pass) {
  const int headDim = layer.shape->headDim;
  const auto queries = rotated(heads(layer.q, input, layer), layer, layer.qNorm, pass);
  const LayerOf& from = layer.shape->hasKeys() ? layer : (large_ ? large_->layers_ : layers_)[layer.shape->keysOf];
  std::vector<mx::array> made;
  for (const Group& group : pass.groups)
    for (const auto& [firstToken, rows, places, mode, mask] : group.parts.at(layer.shape->window)) {
      const int all = rows * group.tokens;
      const auto asked = mx::transpose(mx::reshape(mx::slice(queries, {firstToken, 0, 0}, {firstToken + all, model_.heads, headDim}), {rows, group.tokens, model_.heads, headDim}), {0, 2, 1, 3});
      const auto keys = found(from.keys, places, rows), values = found(from.values, places, rows);
#if MLX_VERSION_NUMERIC < 29000
      const auto read = mx::fast::scaled_dot_product_attention(asked, keys, values, model_.attentionScale, mode, mask);
#else
      const auto read = mx::fast::scaled_dot_product_attention(asked, keys, values, model_.attentionScale, mode, mask, layer.sinks);
#endif
      made.push_back(mx::reshape(mx::transpose(read, {0, 2, 1, 3}), {all, model_.heads * headDim}));
    }
  const auto attended = made.size() == 1 ? made[0] : mx::concatenate(made, 0);
  return multiply(layer.o, layer.shape->outputGate ? attended * mx::sigmoid(multiply(layer.outputGate, input)) : attended);
}

}  // namespace dinf::mlx
