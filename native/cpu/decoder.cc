#include "decoder.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

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

void CpuEngine::normInputs(const std::vector<float>& norm, const float* state, int tokens) {
  const int hidden = model_.hidden;
  threads_->each(tokens, [&](int t, int) { kernels_->normalise(state + static_cast<size_t>(t) * hidden, norm.data(), hidden, model_.normEps, normed_.data() + static_cast<size_t>(t) * hidden); });
  setInputs(inputs_, normed_.data(), hidden);
}

void CpuEngine::stateInputs(const std::vector<float>& norm, int tokens) {
  if (norm.empty()) setInputs(inputs_, state_.data(), model_.hidden);
  else normInputs(norm, state_.data(), tokens);
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

template <class Copy>
void CpuEngine::eachPart(const Units& units, const Copy& copy) {
  for (const int32_t page : units.pages)
    for (LayerOf& layer : trunk()) {
      if (!layer.shape->hasKeys()) continue;
      const size_t size = pageSize(*layer.shape);
      copy(layer.keys.data() + page * size, size);
      copy(layer.values.data() + page * size, size);
    }
  for (const int32_t slot : units.states)
    for (LayerOf& layer : trunk())
      if (const auto& delta = layer.shape->delta) copy(layer.states.data() + slot * delta->stateNumbers(), delta->stateNumbers());
}

std::string CpuEngine::save(const Units& units, uint8_t* bytes) {
  eachPart(units, [&bytes](const float* from, size_t count) {
    std::memcpy(bytes, from, count * sizeof(float));
    bytes += count * sizeof(float);
  });
  return "";
}

std::string CpuEngine::restore(const Units& units, const uint8_t* bytes) {
  for (const int32_t page : units.pages) usedPages_ = std::max(usedPages_, page + 1);
  for (const int32_t slot : units.states) usedStates_ = std::max(usedStates_, slot + 1);
  eachPart(units, [&bytes](float* to, size_t count) {
    std::memcpy(to, bytes, count * sizeof(float));
    bytes += count * sizeof(float);
  });
  return "";
}

void CpuEngine::embed(const Step& step) {
  const int hidden = model_.hidden;
  threads_->each(step.tokens.size(), [&](int t, int) {
    float* to = state_.data() + static_cast<size_t>(t) * hidden;
    embedding_.row(step.tokens[t], to);
    for (int i = 0; i < hidden; i++) to[i] *= model_.embeddingScale;
  });
}

void CpuEngine::runLayer(LayerOf& layer, const Step& step) {
  const int tokens = step.tokens.size();
  stateInputs(layer.inputNorm, tokens);
  if (layer.shape->keysOf != NO_LAYER) multiply({{&layer.q, q_.data()}}, inputs_, tokens);
  else if (layer.shape->keysAreValues) multiply({{&layer.q, q_.data()}, {&layer.k, k_.data()}}, inputs_, tokens);
  else multiply({{&layer.q, q_.data()}, {&layer.k, k_.data()}, {&layer.v, v_.data()}}, inputs_, tokens);
  if (layer.shape->outputGate) multiply({{&layer.outputGate, outputGate_.data()}}, inputs_, tokens);
  if (layer.shape->delta) delta(layer, step);
  else {
    threads_->each(tokens, [&](int t, int) {
      readyQueries(layer, step, t);
      if (layer.shape->hasKeys()) storeKeys(layer, step, t);
    });
    attention(layer, step);
  }
  addAttended(layer, tokens);
}

void CpuEngine::runNarrowed(LayerOf& layer, const Step& step, const Step& outputs) {
  const int tokens = step.tokens.size(), wanted = outputs.tokens.size();
  stateInputs(layer.inputNorm, tokens);
  if (layer.shape->keysAreValues) multiply({{&layer.k, k_.data()}}, inputs_, tokens);
  else multiply({{&layer.k, k_.data()}, {&layer.v, v_.data()}}, inputs_, tokens);
  threads_->each(tokens, [&](int t, int) { storeKeys(layer, step, t); });
  keepOutputs(step, state_, model_.hidden);
  if (model_.perLayer) keepOutputs(step, perLayer_, model_.perLayer->width * layers_.size());
  if (wanted == 0) return;
  stateInputs(layer.inputNorm, wanted);
  multiply({{&layer.q, q_.data()}}, inputs_, wanted);
  if (layer.shape->outputGate) multiply({{&layer.outputGate, outputGate_.data()}}, inputs_, wanted);
  threads_->each(wanted, [&](int t, int) { readyQueries(layer, outputs, t); });
  attention(layer, outputs);
  addAttended(layer, wanted);
}

void CpuEngine::addAttended(LayerOf& layer, int tokens) {
  multiply({{&layer.o, made_.data()}}, attended_, tokens);
  addTo(state_.data(), made_.data(), layer.attentionNorm, tokens);
  stateInputs(layer.mlpNorm, tokens);
  if (layer.shape->beside) mlpAndExperts(layer, tokens);
  else if (layer.shape->routing.experts > 0) {
    std::vector<float> shares(static_cast<size_t>(tokens) * layer.shape->routing.experts);
    multiply({{&layer.router, shares.data()}}, inputs_, tokens);
    experts({layer.gate, layer.up, layer.down, layer.shape->routing, layer.shareScales, layer.choiceBias}, shares, tokens);
  } else mlp(layer.gate[0], layer.up[0], layer.down[0], tokens);
  if (layer.shape->shared) sharedExpert(layer, tokens);
  addTo(state_.data(), made_.data(), layer.mlpOutputNorm, tokens);
}

void CpuEngine::keepOutputs(const Step& step, std::vector<float>& rows, size_t width) {
  // Outputs are in rising order, so no row is overwritten before it is read.
  for (size_t i = 0; i < step.outputs.size(); i++) std::copy_n(rows.data() + step.outputs[i] * width, width, rows.data() + i * width);
}

void CpuEngine::chooseBest(int outputs, std::vector<float>& logits, std::vector<int32_t>& best) {
  const Weights& lmHead = model_.tied ? embedding_ : lmHead_;
  logits.resize(static_cast<size_t>(outputs) * model_.vocabulary);
  best.resize(outputs);
  multiply({{&lmHead, logits.data()}}, inputs_, outputs);
  threads_->each(outputs, [&](int i, int) {
    float* row = logits.data() + static_cast<size_t>(i) * model_.vocabulary;
    if (model_.logitSoftcap > 0)
      for (int v = 0; v < model_.vocabulary; v++) row[v] = std::tanh(row[v] / model_.logitSoftcap) * model_.logitSoftcap;
    best[i] = std::max_element(row, row + model_.vocabulary) - row;
  });
}

std::string CpuEngine::step(const Step& step, StepResult& result) {
  usedPages_ = std::max(usedPages_, checks::pagesOf(model_, step));
  usedStates_ = std::max(usedStates_, checks::statesOf(model_, step));
  const int tokens = step.tokens.size(), hidden = model_.hidden;
  embed(step);
  for (size_t i = 0; i < step.imageTokens.size(); i++) std::copy_n(step.imageEmbeddings.data() + i * model_.imageNumbers(), hidden, state_.data() + static_cast<size_t>(step.imageTokens[i]) * hidden);
  if (model_.perLayer) embedForLayers(step);
  const int outputs = step.outputs.size(), last = model_.lastKeeping();
  const bool narrowed = isNarrowed(model_, step);
  const Step ofOutputs = narrowed ? step.ofOutputs(model_.ropes) : Step{};
  for (LayerOf& layer : trunk()) {
    const int index = &layer - layers_.data();
    if (narrowed && index == last) runNarrowed(layer, step, ofOutputs);
    else runLayer(layer, narrowed && index > last ? ofOutputs : step);
    const int computed = narrowed && index >= last ? outputs : tokens;
    if (computed == 0) return "";
    if (model_.perLayer) addPerLayer(layer, computed);
    if (!layer.scale.empty())
      for (size_t i = 0; i < static_cast<size_t>(computed) * hidden; i++) state_[i] *= layer.scale[0];
    if (index < model_.imageLayers)
      for (size_t i = 0; i < step.imageTokens.size(); i++) {
        const float* from = step.imageEmbeddings.data() + i * model_.imageNumbers() + static_cast<size_t>(1 + index) * hidden;
        float* to = state_.data() + static_cast<size_t>(step.imageTokens[i]) * hidden;
        for (int n = 0; n < hidden; n++) to[n] += from[n];
      }
  }
  if (model_.drafts()) {
    normInputs(norm_, state_.data(), tokens);
    steppedStates_.assign(normed_.begin(), normed_.begin() + static_cast<size_t>(tokens) * hidden);
    stepped_ = tokens;
  }
  if (outputs == 0) return "";
  if (!narrowed) keepOutputs(step, state_, hidden);
  normInputs(norm_, state_.data(), outputs);
  if (model_.returnsStates) {
    result.best.resize(outputs);
    if (step.wantsLogits) result.logits.assign(normed_.begin(), normed_.begin() + static_cast<size_t>(outputs) * hidden);
    return "";
  }
  chooseBest(outputs, result.logits, result.best);
  if (!step.wantsLogits) result.logits.clear();
  return "";
}

std::string CpuEngine::draft(const DraftStep& draft, std::vector<int32_t>& best) {
  const Step& step = draft.step;
  usedPages_ = std::max(usedPages_, checks::pagesOf(model_, step));
  const int tokens = step.tokens.size(), hidden = model_.hidden, outputs = step.outputs.size();
  const std::vector<float>& kept = draft.isChained ? draftedStates_ : steppedStates_;
  embed(step);
  if (assistant_) {
    draftWithAssistant(draft, best);
    return "";
  }
  threads_->each(tokens, [&](int t, int) {
    float* to = joined_.data() + static_cast<size_t>(t) * 2 * hidden;
    kernels_->normalise(state_.data() + static_cast<size_t>(t) * hidden, joinedEmbeddingNorm_.data(), hidden, model_.normEps, to);
    kernels_->normalise(kept.data() + static_cast<size_t>(draft.before[t]) * hidden, joinedHiddenNorm_.data(), hidden, model_.normEps, to + hidden);
  });
  setInputs(inputs_, joined_.data(), 2 * hidden);
  multiply({{&join_, state_.data()}}, inputs_, tokens);
  runLayer(layers_.back(), step);
  normInputs(headNorm_, state_.data(), tokens);
  draftedStates_.assign(normed_.begin(), normed_.begin() + static_cast<size_t>(tokens) * hidden);
  drafted_ = tokens;
  keepOutputs(step, normed_, hidden);
  setInputs(inputs_, normed_.data(), hidden);
  std::vector<float> logits;
  chooseBest(outputs, logits, best);
  return "";
}

}  // namespace dinf::cpu
