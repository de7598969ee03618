// Loading of a model: its weights are packed for the kernels, and the buffers of a step allocated.
#include <algorithm>
#include <cmath>

#include "decoder.h"

namespace dinf::cpu {

std::string CpuEngine::load(const Model& model) {
  model_ = model;
  kernels_ = &chooseKernels();
  model_.fine = model_.fine || !kernels_->hasFastBytes;
  threads_ = std::make_shared<Threads>(model.threads);
  const std::string gone = "a file of the model is missing or has become shorter, or there is no address space for the cache";
  if (!pack(model_.embedding, 0, files_, *threads_, embedding_)) return gone;
  if (!model_.tied && !pack(model_.lmHead, 0, files_, *threads_, lmHead_)) return gone;
  if (!loadVector(model_.norm, model_.normPlusOne, norm_)) return gone;
  for (float& weight : norm_) weight *= model_.outputScale;
  if (!loadLayers()) return gone;
  if (!model_.assistant) return "";
  assistant_ = std::make_unique<CpuEngine>();
  if (!assistant_->loadAssistant(*model_.assistant, *this)) return gone;
  memory_ += assistant_->memory_;
  return "";
}

bool CpuEngine::loadLayers() {
  const size_t own = model_.layers.size();
  layers_.resize(model_.head ? own + 1 : own);
  for (size_t i = 0; i < layers_.size(); i++)
    if (!loadLayer(i < own ? model_.layers[i] : model_.head->layer, layers_[i])) return false;
  const size_t tokens = model_.maxTokens;
  size_t widest = 0, query = static_cast<size_t>(model_.heads) * model_.headDim, key = 0, value = 0, gate = 0, mixed = 0, heads = 0, shared = 0;
  for (const LayerOf& of : layers_) {
    const Layer& layer = *of.shape;
    key = std::max<size_t>(key, layer.keyNumbers());
    value = std::max<size_t>(value, layer.keyNumbers());
    if (layer.beside) {
      widest = std::max<size_t>(widest, layer.beside->width * layer.beside->routing.perToken);
      shared = model_.hidden;
    }
    widest = std::max<size_t>(widest, layer.width * std::max(1, layer.routing.perToken));
    if (layer.outputGate) gate = std::max<size_t>(gate, layer.outputGate->out);
    if (layer.shared) {
      widest = std::max<size_t>(widest, layer.shared->width);
      shared = model_.hidden;
    }
    if (!layer.delta) continue;
    query = std::max<size_t>({query, static_cast<size_t>(layer.delta->keys()), static_cast<size_t>(layer.delta->values())});
    key = std::max<size_t>(key, layer.delta->keys());
    value = std::max<size_t>(value, layer.delta->values());
    mixed = std::max<size_t>(mixed, layer.delta->channels());
    heads = std::max<size_t>(heads, layer.delta->valueHeads);
  }
  if (const auto& perLayer = model_.perLayer) {
    if (!pack(perLayer->embedding, 0, files_, *threads_, perLayerEmbedding_) || !pack(perLayer->projection, 0, files_, *threads_, perLayerProjection_) || !loadVector(perLayer->norm, false, perLayerNorm_)) return false;
    widest = std::max<size_t>(widest, perLayer->width);
    perLayer_.resize(tokens * perLayer->width * model_.layers.size());
    memory_ += perLayerEmbedding_.bytes() + perLayerProjection_.bytes();
  }
  if (const auto& head = model_.head) {
    const bool plusOne = model_.normPlusOne;
    if (!pack(head->join, 0, files_, *threads_, join_) || !loadVector(head->embeddingNorm, plusOne, joinedEmbeddingNorm_) || !loadVector(head->hiddenNorm, plusOne, joinedHiddenNorm_) || !loadVector(head->norm, plusOne, headNorm_)) return false;
    memory_ += join_.bytes();
  }
  if (model_.drafts()) {
    joined_.resize(tokens * 2 * model_.hidden);
    steppedStates_.reserve(tokens * model_.hidden);
    draftedStates_.reserve(tokens * model_.hidden);
    memory_ += 2 * joined_.size() * sizeof(float);
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
  for (LayerOf& layer : layers_) {
    if (const auto& delta = layer.shape->delta)
      for (size_t i = 0; const auto& [made, width] : keptProjections(*delta)) {
        layer.kept[i].resize(static_cast<size_t>(model_.keptTokens) * width);
        memory_ += layer.kept[i++].size() * sizeof(float);
      }
    for (const Weights* w : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.router, &layer.outputGate, &layer.write, &layer.fade, &layer.sharedGate, &layer.sharedUp, &layer.sharedDown, &layer.share, &layer.besideRouter, &layer.perLayerGate, &layer.perLayerProjection}) memory_ += w->bytes();
    for (const auto* list : {&layer.gate, &layer.up, &layer.down, &layer.besideGate, &layer.besideUp, &layer.besideDown})
      for (const Weights& w : *list) memory_ += w.bytes();
  }
  memory_ += embedding_.bytes() + lmHead_.bytes();
  for (const auto* room : {&state_, &normed_, &out_, &made_, &q_, &k_, &v_, &gate_, &up_, &outputGate_, &mixed_, &write_, &fade_, &shared_, &share_, &perLayer_}) memory_ += room->size() * sizeof(float);
  return true;
}

bool CpuEngine::loadLayer(const Layer& from, LayerOf& to) {
  to.shape = &from;
  bool ok = pack(from.q, 0, files_, *threads_, to.q) && pack(from.o, 0, files_, *threads_, to.o);
  if (from.keysOf == NO_LAYER) ok = ok && pack(from.k, 0, files_, *threads_, to.k) && (from.keysAreValues || pack(from.v, 0, files_, *threads_, to.v));
  ok = ok && (!from.router || pack(*from.router, 0, files_, *threads_, to.router)) && (!from.outputGate || pack(*from.outputGate, 0, files_, *threads_, to.outputGate));
  if (const auto& shared = from.shared)
    ok = ok && pack(shared->gate, 0, files_, *threads_, to.sharedGate) && pack(shared->up, 0, files_, *threads_, to.sharedUp) && pack(shared->down, 0, files_, *threads_, to.sharedDown) && (!shared->share || pack(*shared->share, 0, files_, *threads_, to.share));
  for (auto [matrix, list] : {std::pair{&from.gate, &to.gate}, {&from.up, &to.up}, {&from.down, &to.down}}) ok = ok && packStack(*matrix, *list);
  const bool plusOne = model_.normPlusOne;
  if (const auto& beside = from.beside) {
    for (auto [matrix, list] : {std::pair{&beside->gate, &to.besideGate}, {&beside->up, &to.besideUp}, {&beside->down, &to.besideDown}}) ok = ok && packStack(*matrix, *list);
    ok = ok && pack(beside->router, 0, files_, *threads_, to.besideRouter) && loadVector(beside->inputNorm, plusOne, to.besideInputNorm) && loadVector(beside->outputNorm, plusOne, to.besideOutputNorm) &&
         loadVector(beside->denseOutputNorm, plusOne, to.denseOutputNorm) && loadVector(beside->routerNorm, false, to.routerNorm) && loadVector(beside->shareScales, false, to.shareScales);
    for (float& weight : to.routerNorm) weight /= std::sqrt(static_cast<float>(model_.hidden));
  }
  if (const auto& own = from.perLayer) ok = ok && pack(own->gate, 0, files_, *threads_, to.perLayerGate) && pack(own->projection, 0, files_, *threads_, to.perLayerProjection) && loadVector(own->norm, plusOne, to.perLayerNorm);
  ok = ok && loadVector(from.scale, false, to.scale) && loadVector(from.choiceBias, false, to.choiceBias);
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

}  // namespace dinf::cpu
