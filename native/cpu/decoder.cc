#include "decoder.h"

#include <cmath>
#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace dinf::cpu {

const Kernels& chooseKernels() {
  const char* wanted = std::getenv("DINF_CPU_KERNELS");
  const std::string name = wanted ? wanted : "";
  if (name == "portable") return portable;
#if defined(__x86_64__)
  if (name != "avx2" && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) return avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2;
#elif defined(__aarch64__)
#if defined(__ARM_FEATURE_DOTPROD) || defined(__APPLE__)
  return neon;
#endif
#endif
  return portable;
}

std::string CpuEngine::load(const Model& model) {
  model_ = model;
  kernels_ = &chooseKernels();
  threads_ = std::make_unique<Threads>(model.threads);
  const std::string gone = "a file of the model is missing or has become shorter, or there is no address space for the cache";
  if (!pack(model_.embedding, 0, files_, *threads_, embedding_)) return gone;
  if (!model_.tied && !pack(model_.lmHead, 0, files_, *threads_, lmHead_)) return gone;
  if (!loadVector(model_.norm, model_.normPlusOne, norm_)) return gone;
  layers_.resize(model_.layers.size());
  for (size_t i = 0; i < layers_.size(); i++)
    if (!loadLayer(model_.layers[i], layers_[i])) return gone;
  const size_t tokens = model_.maxTokens;
  size_t widest = 0, query = static_cast<size_t>(model_.heads) * model_.headDim, key = 0, value = 0, gate = 0, mixed = 0, heads = 0, shared = 0;
  for (const Layer& layer : model_.layers) {
    key = std::max<size_t>(key, layer.keyNumbers());
    value = std::max<size_t>(value, layer.keyNumbers());
    if (layer.beside) {
      widest = std::max<size_t>(widest, layer.beside->width * layer.beside->perToken);
      shared = model_.hidden;
    }
    widest = std::max<size_t>(widest, layer.width * std::max(1, layer.perToken));
    if (layer.outputGate) gate = std::max<size_t>(gate, layer.outputGate->out);
    if (layer.shared) {
      widest = std::max<size_t>(widest, layer.shared->width);
      shared = model_.hidden;
    }
    if (!layer.delta) continue;
    query = std::max<size_t>(query, layer.delta->values());
    key = std::max<size_t>(key, layer.delta->keys());
    value = std::max<size_t>(value, layer.delta->values());
    mixed = std::max<size_t>(mixed, layer.delta->channels());
    heads = std::max<size_t>(heads, layer.delta->valueHeads);
  }
  if (const auto& perLayer = model_.perLayer) {
    if (!pack(perLayer->embedding, 0, files_, *threads_, perLayerEmbedding_) || !pack(perLayer->projection, 0, files_, *threads_, perLayerProjection_) || !loadVector(perLayer->norm, false, perLayerNorm_)) return gone;
    widest = std::max<size_t>(widest, perLayer->width);
    perLayer_.resize(tokens * perLayer->width * model_.layers.size());
    memory_ += perLayerEmbedding_.bytes() + perLayerProjection_.bytes();
  }
  ones_.assign(model_.headDim, 1.0f);
  state_.resize(tokens * model_.hidden);
  normed_.resize(tokens * model_.hidden);
  out_.resize(tokens * std::max<size_t>(model_.hidden, query));
  made_.resize(tokens * model_.hidden);
  q_.resize(tokens * query);
  k_.resize(tokens * key);
  v_.resize(tokens * value);
  outputGate_.resize(tokens * gate);
  mixed_.resize(tokens * mixed);
  write_.resize(tokens * heads);
  fade_.resize(tokens * heads);
  shared_.resize(tokens * shared);
  share_.resize(shared == 0 ? 0 : tokens);
  gate_.resize(tokens * widest);
  up_.resize(tokens * widest);
  scores_.resize(threads_->count());
  for (const LayerOf& layer : layers_) {
    for (const Weights* w : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.router, &layer.outputGate, &layer.write, &layer.fade, &layer.sharedGate, &layer.sharedUp, &layer.sharedDown, &layer.share, &layer.besideRouter, &layer.perLayerGate, &layer.perLayerProjection}) memory_ += w->bytes();
    for (const auto* list : {&layer.gate, &layer.up, &layer.down, &layer.besideGate, &layer.besideUp, &layer.besideDown})
      for (const Weights& w : *list) memory_ += w.bytes();
  }
  memory_ += embedding_.bytes() + lmHead_.bytes();
  for (const auto* room : {&state_, &normed_, &out_, &made_, &q_, &k_, &v_, &gate_, &up_, &outputGate_, &mixed_, &write_, &fade_, &shared_, &share_, &perLayer_}) memory_ += room->size() * sizeof(float);
  return "";
}

bool CpuEngine::loadLayer(const Layer& from, LayerOf& to) {
  to.shape = &from;
  bool ok = pack(from.q, 0, files_, *threads_, to.q) && pack(from.o, 0, files_, *threads_, to.o);
  if (from.keysOf == NO_LAYER) ok = ok && pack(from.k, 0, files_, *threads_, to.k) && (from.keysAreValues || pack(from.v, 0, files_, *threads_, to.v));
  ok = ok && (!from.router || pack(*from.router, 0, files_, *threads_, to.router)) && (!from.outputGate || pack(*from.outputGate, 0, files_, *threads_, to.outputGate));
  if (const auto& shared = from.shared)
    ok = ok && pack(shared->gate, 0, files_, *threads_, to.sharedGate) && pack(shared->up, 0, files_, *threads_, to.sharedUp) && pack(shared->down, 0, files_, *threads_, to.sharedDown) && pack(shared->share, 0, files_, *threads_, to.share);
  for (auto [matrix, list] : {std::pair{&from.gate, &to.gate}, {&from.up, &to.up}, {&from.down, &to.down}}) ok = ok && packStack(*matrix, *list);
  const bool plusOne = model_.normPlusOne;
  if (const auto& beside = from.beside) {
    for (auto [matrix, list] : {std::pair{&beside->gate, &to.besideGate}, {&beside->up, &to.besideUp}, {&beside->down, &to.besideDown}}) ok = ok && packStack(*matrix, *list);
    ok = ok && pack(beside->router, 0, files_, *threads_, to.besideRouter) && loadVector(beside->inputNorm, plusOne, to.besideInputNorm) && loadVector(beside->outputNorm, plusOne, to.besideOutputNorm) &&
         loadVector(beside->denseOutputNorm, plusOne, to.denseOutputNorm) && loadVector(beside->routerNorm, false, to.routerNorm) && loadVector(beside->shareScales, false, to.shareScales);
    for (float& weight : to.routerNorm) weight /= std::sqrt(static_cast<float>(model_.hidden));
  }
  if (const auto& own = from.perLayer) ok = ok && pack(own->gate, 0, files_, *threads_, to.perLayerGate) && pack(own->projection, 0, files_, *threads_, to.perLayerProjection) && loadVector(own->norm, plusOne, to.perLayerNorm);
  ok = ok && loadVector(from.scale, false, to.scale);
  ok = ok && loadVector(from.sinks, false, to.sinks) && loadVector(from.inputNorm, plusOne, to.inputNorm) && loadVector(from.mlpNorm, plusOne, to.mlpNorm) && loadVector(from.qNorm, plusOne, to.qNorm) && loadVector(from.kNorm, plusOne, to.kNorm) &&
       loadVector(from.attentionNorm, plusOne, to.attentionNorm) && loadVector(from.mlpOutputNorm, plusOne, to.mlpOutputNorm);
  if (const auto& delta = from.delta)
    return ok && pack(delta->write, 0, files_, *threads_, to.write) && pack(delta->fade, 0, files_, *threads_, to.fade) && loadVector(delta->fadeBias, false, to.fadeBias) && loadVector(delta->fadeRate, false, to.fadeRate) &&
           loadVector(delta->factors, false, to.factors) && loadVector(delta->norm, false, to.deltaNorm) && to.states.reserve(delta->stateNumbers() * model_.states);
  if (!from.hasKeys()) return ok;
  const size_t cache = pageSize(from) * model_.pages;
  return ok && to.keys.reserve(cache) && to.values.reserve(cache);
}

bool CpuEngine::packStack(const Matrix& from, std::vector<Weights>& to) {
  to.resize(from.count);
  bool ok = true;
  for (int i = 0; ok && i < from.count; i++) ok = pack(from, i, files_, *threads_, to[i]);
  files_.forget();
  return ok;
}

bool CpuEngine::loadVector(const std::optional<Tensor>& from, bool plusOne, std::vector<float>& to) {
  if (!from) return true;
  const uint8_t* bytes = files_.bytes(*from);
  if (!bytes) return false;
  to.resize(from->bytes / (from->type == Type::f32 ? 4 : 2));
  for (size_t i = 0; i < to.size(); i++) to[i] = toFloat(bytes, numberOf(from->type), i) + (plusOne ? 1.0f : 0.0f);
  return true;
}

void CpuEngine::setInputs(Inputs& inputs, float* rows, int width) {
  inputs.rows = rows;
  inputs.width = width;
  inputs.isRounded[0] = inputs.isRounded[1] = false;
}

Rounded CpuEngine::rounded(Inputs& inputs, int block, int tokens) {
  const size_t bytes = model_.fine ? 2 : 1;
  const int kind = block == 64, width = inputs.width, blocks = width / block;
  auto &values = inputs.values[kind];
  auto &scales = inputs.scales[kind], &sums = inputs.sums[kind];
  if (!inputs.isRounded[kind]) {
    values.resize(std::max(values.size(), bytes * tokens * width));
    scales.resize(std::max(scales.size(), static_cast<size_t>(tokens) * blocks));
    sums.resize(std::max(sums.size(), static_cast<size_t>(tokens) * blocks));
    threads_->each(tokens, [&](int t, int) {
      kernels_->round(inputs.rows + static_cast<size_t>(t) * width, width, block, model_.fine, &values[bytes * t * width], &scales[static_cast<size_t>(t) * blocks], &sums[static_cast<size_t>(t) * blocks]);
    });
    inputs.isRounded[kind] = true;
  }
  return {values.data(), scales.data(), sums.data(), width, blocks, model_.fine};
}

/// Computes one unit of work: multiplies PAIR blocks of a matrix's rows by n inputs. `from` holds
/// the indexes of the inputs, and `to` the indexes of the rows of `out`.
void CpuEngine::rows(const Weights& w, int unit, Inputs& inputs, const Rounded& x, const int* from, const int* to, int n, float* out) {
  const int block = unit * PAIR, blocks = std::min(PAIR, w.blocks() - block), first = block * LANES, last = std::min(first + blocks * LANES, w.out);
  constexpr int MOST = 64;
  for (int t = 0; t < n; t += MOST) {
    const int count = std::min(MOST, n - t);
    float* outs[MOST];
    const float* ins[MOST];
    for (int i = 0; i < count; i++) {
      outs[i] = out + static_cast<size_t>(to[t + i]) * w.out;
      ins[i] = inputs.rows + static_cast<size_t>(from[t + i]) * inputs.width;
    }
    if (w.isPacked()) kernels_->multiplyPacked(w.packed, block, blocks, x, from + t, count, outs);
    else
      for (int i = 0; i < count; i += TILE)
        for (int row = first; row < last; row++) kernels_->multiplyDense(w.dense, row, ins + i, std::min(TILE, count - i), outs + i);
    if (!w.bias.empty())
      for (int i = 0; i < count; i++)
        for (int row = first; row < last; row++) outs[i][row] += w.bias[row];
  }
}

static const int* identity(int n) {
  static thread_local std::vector<int> list;
  if (static_cast<int>(list.size()) < n) {
    list.resize(n);
    std::iota(list.begin(), list.end(), 0);
  }
  return list.data();
}

/// Multiplies several matrices by the same inputs, as one phase of the threads.
void CpuEngine::multiply(std::initializer_list<std::pair<const Weights*, float*>> products, Inputs& inputs, int tokens) {
  int units = 0;
  Rounded xs[2]{};
  for (auto [w, out] : products) {
    units += w->units();
    if (w->isPacked()) xs[w->packed.block() == 64] = rounded(inputs, w->packed.block(), tokens);
  }
  const int* all = identity(tokens);
  threads_->each(units, [&](int unit, int) {
    for (auto [w, out] : products) {
      if (unit < w->units()) return rows(*w, unit, inputs, xs[w->packed.block() == 64], all, all, tokens, out);
      unit -= w->units();
    }
  });
}

void CpuEngine::multiplySome(const Weights& w, Inputs& inputs, int tokens, const int* from, const int* to, int n, float* out) {
  const Rounded x = w.isPacked() ? rounded(inputs, w.packed.block(), tokens) : Rounded{};
  threads_->each(w.units(), [&](int unit, int) { rows(w, unit, inputs, x, from, to, n, out); });
}

void CpuEngine::normInputs(const std::vector<float>& norm, const float* state, int tokens) {
  const int hidden = model_.hidden;
  threads_->each(tokens, [&](int t, int) { kernels_->normalise(state + static_cast<size_t>(t) * hidden, norm.data(), hidden, model_.normEps, normed_.data() + static_cast<size_t>(t) * hidden); });
  setInputs(inputs_, normed_.data(), hidden);
}

void CpuEngine::addTo(float* state, const float* made, const std::vector<float>& norm, int tokens) {
  const int hidden = model_.hidden;
  threads_->each(tokens, [&](int t, int) {
    float* to = state + static_cast<size_t>(t) * hidden;
    const float* from = made + static_cast<size_t>(t) * hidden;
    if (!norm.empty()) {
      float* room = normed_.data() + static_cast<size_t>(t) * hidden;
      kernels_->normalise(from, norm.data(), hidden, model_.normEps, room);
      from = room;
    }
    for (int i = 0; i < hidden; i++) to[i] += from[i];
  });
}

static float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

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
      for (int h = 0; h < count; h++, at += headDim) {
        if (!norm.empty()) kernels_->normalise(at, norm.data(), headDim, model_.normEps, at);
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
    const int t = i / kvHeads, head = i % kvHeads, last = step.positions[t], first = layer.shape->window > 0 ? std::max(0, last - layer.shape->window + 1) : 0;
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
  std::copy_n(made_.data(), static_cast<size_t>(tokens) * hidden, shared_.data());
  multiply({{&layer.share, share_.data()}}, inputs_, tokens);
  mlp(layer.sharedGate, layer.sharedUp, layer.sharedDown, tokens);
  for (int t = 0; t < tokens; t++) {
    const float share = sigmoid(share_[t]);
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
  std::vector<float> shares(static_cast<size_t>(tokens) * beside.experts);
  multiply({{&layer.besideRouter, shares.data()}}, inputs_, tokens);
  normInputs(layer.besideInputNorm, state_.data(), tokens);
  experts({layer.besideGate, layer.besideUp, layer.besideDown, beside.perToken, true, layer.shareScales.data()}, shares, tokens);
  normalised(layer.besideOutputNorm, made_.data());
  for (size_t i = 0; i < static_cast<size_t>(tokens) * hidden; i++) made_[i] += shared_[i];
}

/// Computes experts for inputs_. `shares` has the products of the router.
void CpuEngine::experts(const Routed& routed, std::vector<float>& shares, int tokens) {
  const int count = routed.gate.size(), chosen = routed.perToken, width = routed.gate[0].out, hidden = model_.hidden, slots = tokens * chosen;
  std::vector<float> weights(slots), made(static_cast<size_t>(slots) * hidden);
  std::vector<std::vector<int>> tokensOf(count), slotsOf(count);
  for (int t = 0; t < tokens; t++) {
    float* row = shares.data() + static_cast<size_t>(t) * count;
    const float most = *std::max_element(row, row + count);
    float sum = 0;
    for (int e = 0; e < count; e++) sum += row[e] = std::exp(row[e] - most);
    std::vector<int> order(count);
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + chosen, order.end(), [row](int a, int b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
    float taken = 0;
    for (int i = 0; i < chosen; i++) taken += row[order[i]];
    for (int i = 0; i < chosen; i++) {
      weights[t * chosen + i] = row[order[i]] / (routed.normalised ? taken : sum) * (routed.shareScales ? routed.shareScales[order[i]] : 1.0f);
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

std::string CpuEngine::keep(int pages, int states) {
  for (LayerOf& layer : layers_) {
    if (const auto& delta = layer.shape->delta) {
      layer.states.giveBack(states * delta->stateNumbers());
      continue;
    }
    if (!layer.shape->hasKeys()) continue;
    layer.keys.giveBack(pages * pageSize(*layer.shape));
    layer.values.giveBack(pages * pageSize(*layer.shape));
  }
  usedPages_ = std::min(usedPages_, pages);
  usedStates_ = std::min(usedStates_, states);
  return "";
}

std::string CpuEngine::step(const Step& step, StepResult& result) {
  usedPages_ = std::max(usedPages_, checks::pagesOf(model_, step));
  usedStates_ = std::max(usedStates_, checks::statesOf(model_, step));
  const int tokens = step.tokens.size(), hidden = model_.hidden;
  threads_->each(tokens, [&](int t, int) {
    float* to = state_.data() + static_cast<size_t>(t) * hidden;
    embedding_.row(step.tokens[t], to);
    for (int i = 0; i < hidden; i++) to[i] *= model_.embeddingScale;
  });
  if (model_.perLayer) embedForLayers(step);
  for (LayerOf& layer : layers_) {
    normInputs(layer.inputNorm, state_.data(), tokens);
    if (layer.shape->keysOf != NO_LAYER) multiply({{&layer.q, q_.data()}}, inputs_, tokens);
    else if (layer.shape->keysAreValues) multiply({{&layer.q, q_.data()}, {&layer.k, k_.data()}}, inputs_, tokens);
    else multiply({{&layer.q, q_.data()}, {&layer.k, k_.data()}, {&layer.v, v_.data()}}, inputs_, tokens);
    if (layer.shape->outputGate) multiply({{&layer.outputGate, outputGate_.data()}}, inputs_, tokens);
    if (layer.shape->delta) delta(layer, step);
    else attention(layer, step, step.ropeAngles.data() + static_cast<size_t>(layer.shape->rope) * tokens * model_.headDim);
    multiply({{&layer.o, made_.data()}}, attended_, tokens);
    addTo(state_.data(), made_.data(), layer.attentionNorm, tokens);
    normInputs(layer.mlpNorm, state_.data(), tokens);
    if (layer.shape->beside) mlpAndExperts(layer, tokens);
    else if (layer.shape->experts > 0) {
      std::vector<float> shares(static_cast<size_t>(tokens) * layer.shape->experts);
      multiply({{&layer.router, shares.data()}}, inputs_, tokens);
      experts({layer.gate, layer.up, layer.down, layer.shape->perToken, layer.shape->normalised, nullptr}, shares, tokens);
    } else mlp(layer.gate[0], layer.up[0], layer.down[0], tokens);
    if (layer.shape->shared) sharedExpert(layer, tokens);
    addTo(state_.data(), made_.data(), layer.mlpOutputNorm, tokens);
    if (model_.perLayer) addPerLayer(layer, tokens);
    if (!layer.scale.empty())
      for (size_t i = 0; i < static_cast<size_t>(tokens) * hidden; i++) state_[i] *= layer.scale[0];
  }
  const int outputs = step.outputs.size();
  if (outputs == 0) return "";
  // Outputs are in rising order, so no row is overwritten before it is read.
  for (int i = 0; i < outputs; i++) {
    std::copy_n(state_.data() + static_cast<size_t>(step.outputs[i]) * hidden, hidden, state_.data() + static_cast<size_t>(i) * hidden);
  }
  normInputs(norm_, state_.data(), outputs);
  const Weights& lmHead = model_.tied ? embedding_ : lmHead_;
  result.logits.resize(static_cast<size_t>(outputs) * model_.vocabulary);
  multiply({{&lmHead, result.logits.data()}}, inputs_, outputs);
  result.best.resize(outputs);
  threads_->each(outputs, [&](int i, int) {
    float* row = result.logits.data() + static_cast<size_t>(i) * model_.vocabulary;
    if (model_.logitSoftcap > 0)
      for (int v = 0; v < model_.vocabulary; v++) row[v] = std::tanh(row[v] / model_.logitSoftcap) * model_.logitSoftcap;
    result.best[i] = std::max_element(row, row + model_.vocabulary) - row;
  });
  if (!step.wantsLogits) result.logits.clear();
  return "";
}

}  // namespace dinf::cpu
