// The MLP of a layer: a dense one, experts, or both.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "decoder.h"

namespace dinf::cpu {

void CpuEngine::mlp(const Weights& gate, const Weights& up, const Weights& down, int tokens) {
  const int width = gate.out;
  multiply({{&gate, gate_.data()}, {&up, up_.data()}}, inputs_, tokens);
  threads_->each(tokens, [&](int t, int) { kernels_->activate(gate_.data() + static_cast<size_t>(t) * width, up_.data() + static_cast<size_t>(t) * width, width, model_.activation, model_.activationLimit); });
  setInputs(gated_, gate_.data(), width);
  multiply({{&down, made_.data()}}, gated_, tokens);
}

/// Adds the result of the expert that every token uses to made_.
void CpuEngine::sharedExpert(LayerOf& layer, int tokens) {
  const int hidden = model_.hidden;
  const bool hasShare = layer.shape->shared->share.has_value();
  std::copy_n(made_.data(), static_cast<size_t>(tokens) * hidden, shared_.data());
  if (hasShare) multiply({{&layer.share, share_.data()}}, inputs_, tokens);
  mlp(layer.sharedGate, layer.sharedUp, layer.sharedDown, tokens);
  for (int t = 0; t < tokens; t++) {
    const float share = hasShare ? sigmoid(share_[t]) : 1.0f;
    for (size_t i = static_cast<size_t>(t) * hidden; i < static_cast<size_t>(t + 1) * hidden; i++) made_[i] = shared_[i] + share * made_[i];
  }
}

/// Computes the dense MLP and the experts beside it, and adds up what they make.
void CpuEngine::mlpAndExperts(LayerOf& layer, int tokens) {
  const int hidden = model_.hidden;
  const ExpertsBeside& beside = *layer.shape->beside;
  const auto normalised = [&](const std::vector<float>& norm, float* to) {
    threads_->each(tokens, [&](int t, int) { kernels_->normalise(made_.data() + static_cast<size_t>(t) * hidden, norm.data(), hidden, model_.normEps, to + static_cast<size_t>(t) * hidden); });
  };
  mlp(layer.gate[0], layer.up[0], layer.down[0], tokens);
  normalised(layer.denseOutputNorm, shared_.data());
  normInputs(layer.routerNorm, state_.data(), tokens);
  std::vector<float> shares(static_cast<size_t>(tokens) * beside.routing.experts);
  multiply({{&layer.besideRouter, shares.data()}}, inputs_, tokens);
  normInputs(layer.besideInputNorm, state_.data(), tokens);
  experts({layer.besideGate, layer.besideUp, layer.besideDown, beside.routing, layer.shareScales, layer.choiceBias}, shares, tokens);
  normalised(layer.besideOutputNorm, made_.data());
  for (size_t i = 0; i < static_cast<size_t>(tokens) * hidden; i++) made_[i] += shared_[i];
}

/// Writes the share of each expert over its score.
static void toShares(const Routing& routing, float* scores) {
  const int count = routing.experts;
  if (routing.usesSigmoid) {
    for (int e = 0; e < count; e++) scores[e] = sigmoid(scores[e]);
    return;
  }
  const float most = *std::max_element(scores, scores + count);
  float sum = 0;
  for (int e = 0; e < count; e++) sum += scores[e] = std::exp(scores[e] - most);
  for (int e = 0; e < count; e++) scores[e] /= sum;
}

/// Returns the indexes of the `n` largest numbers of a list, the lowest first of equal ones.
static std::vector<int> largest(const float* list, int count, int n) {
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + n, order.end(), [list](int a, int b) { return list[a] != list[b] ? list[a] > list[b] : a < b; });
  order.resize(n);
  return order;
}

/// Chooses the experts of a token by their shares.
static std::vector<int> choose(const Routing& routing, const float* shares, const std::vector<float>& bias) {
  const int count = routing.experts, groups = routing.groups, each = count / groups;
  std::vector<float> ranks(shares, shares + count);
  for (size_t e = 0; e < bias.size(); e++) ranks[e] += bias[e];
  if (groups > 1) {
    std::vector<float> best(groups);
    for (int g = 0; g < groups; g++)
      for (const int e : largest(&ranks[g * each], each, 2)) best[g] += ranks[g * each + e];
    std::vector<bool> isChosen(groups);
    for (const int g : largest(best.data(), groups, routing.chosenGroups)) isChosen[g] = true;
    for (int e = 0; e < count; e++)
      if (!isChosen[e / each]) ranks[e] = -std::numeric_limits<float>::infinity();
  }
  return largest(ranks.data(), count, routing.perToken);
}

/// Computes experts for inputs_. `shares` has the products of the router.
void CpuEngine::experts(const Routed& routed, std::vector<float>& shares, int tokens) {
  const Routing& routing = routed.routing;
  const int count = routing.experts, chosen = routing.perToken, width = routed.gate[0].out, hidden = model_.hidden, slots = tokens * chosen;
  std::vector<float> weights(slots), made(static_cast<size_t>(slots) * hidden);
  std::vector<std::vector<int>> tokensOf(count), slotsOf(count);
  for (int t = 0; t < tokens; t++) {
    float* row = shares.data() + static_cast<size_t>(t) * count;
    toShares(routing, row);
    const std::vector<int> order = choose(routing, row, routed.choiceBias);
    float taken = 0;
    for (const int e : order) taken += row[e];
    for (int i = 0; i < chosen; i++) {
      const float scale = routed.shareScales.empty() ? routing.shareScale : routed.shareScales[order[i]] * routing.shareScale;
      weights[t * chosen + i] = row[order[i]] / (routing.normalised ? taken : 1.0f) * scale;
      tokensOf[order[i]].push_back(t);
      slotsOf[order[i]].push_back(t * chosen + i);
    }
  }
  for (int e = 0; e < count; e++) {
    const int n = tokensOf[e].size();
    if (n == 0) continue;
    multiplySome(routed.gate[e], inputs_, tokens, tokensOf[e].data(), slotsOf[e].data(), n, gate_.data());
    multiplySome(routed.up[e], inputs_, tokens, tokensOf[e].data(), slotsOf[e].data(), n, up_.data());
  }
  threads_->each(slots, [&](int s, int) { kernels_->activate(gate_.data() + static_cast<size_t>(s) * width, up_.data() + static_cast<size_t>(s) * width, width, model_.activation, model_.activationLimit); });
  setInputs(gated_, gate_.data(), width);
  for (int e = 0; e < count; e++)
    if (!slotsOf[e].empty()) multiplySome(routed.down[e], gated_, slots, slotsOf[e].data(), slotsOf[e].data(), slotsOf[e].size(), made.data());
  for (int t = 0; t < tokens; t++) {
    float* to = made_.data() + static_cast<size_t>(t) * hidden;
    std::fill_n(to, hidden, 0.0f);
    for (int s = t * chosen; s < (t + 1) * chosen; s++)
      for (int i = 0; i < hidden; i++) to[i] += weights[s] * made[static_cast<size_t>(s) * hidden + i];
  }
}

}  // namespace dinf::cpu
