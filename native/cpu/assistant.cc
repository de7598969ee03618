// Drafts of an assistant, a small engine whose layers read the keys of the large one.
#include <algorithm>
#include <numeric>

#include "decoder.h"

namespace dinf::cpu {

bool CpuEngine::loadAssistant(const Assistant& assistant, CpuEngine& large) {
  model_ = assistant.model;
  assists_ = &assistant;
  large_ = &large;
  kernels_ = large.kernels_;
  threads_ = large.threads_;
  if (!pack(assistant.join, 0, files_, *threads_, join_) || !pack(assistant.back, 0, files_, *threads_, back_) || !loadVector(model_.norm, model_.normPlusOne, norm_)) return false;
  if (const auto& groups = assistant.groups) {
    if (!pack(groups->scores, 0, files_, *threads_, groupScores_) || !packStack(model_.lmHead, groupLogits_)) return false;
    memory_ += groupScores_.bytes();
    for (const Weights& group : groupLogits_) memory_ += group.bytes();
  } else if (!pack(model_.lmHead, 0, files_, *threads_, lmHead_)) return false;
  memory_ += join_.bytes() + back_.bytes();
  return loadLayers();
}

void CpuEngine::draftWithAssistant(const DraftStep& draft, std::vector<int32_t>& best) {
  const int tokens = draft.step.tokens.size(), hidden = model_.hidden;
  const std::vector<float>& kept = draft.isChained ? draftedStates_ : steppedStates_;
  for (int t = 0; t < tokens; t++) {
    float* to = joined_.data() + static_cast<size_t>(t) * 2 * hidden;
    std::copy_n(state_.data() + static_cast<size_t>(t) * hidden, hidden, to);
    std::copy_n(kept.data() + static_cast<size_t>(draft.before[t]) * hidden, hidden, to + hidden);
  }
  assistant_->assist(draft.step, joined_.data(), draftedStates_, best);
  drafted_ = tokens;
}

void CpuEngine::assist(const Step& step, float* joined, std::vector<float>& states, std::vector<int32_t>& best) {
  const int tokens = step.tokens.size(), outputs = step.outputs.size(), hidden = model_.hidden;
  setInputs(inputs_, joined, join_.in);
  multiply({{&join_, state_.data()}}, inputs_, tokens);
  for (LayerOf& layer : layers_) {
    runLayer(layer, step);
    if (!layer.scale.empty())
      for (size_t i = 0; i < static_cast<size_t>(tokens) * hidden; i++) state_[i] *= layer.scale[0];
  }
  normInputs(norm_, state_.data(), tokens);
  states.resize(static_cast<size_t>(tokens) * back_.out);
  multiply({{&back_, states.data()}}, inputs_, tokens);
  keepOutputs(step, normed_, hidden);
  setInputs(inputs_, normed_.data(), hidden);
  if (assists_->groups) return chooseOfGroups(outputs, best);
  std::vector<float> logits;
  chooseBest(outputs, logits, best);
}

void CpuEngine::chooseOfGroups(int outputs, std::vector<int32_t>& best) {
  const VocabularyGroups& groups = *assists_->groups;
  const int count = groupLogits_.size(), chosen = groups.chosen, size = groupLogits_[0].out, units = groupLogits_[0].units();
  std::vector<float> scores(static_cast<size_t>(outputs) * count), logits(static_cast<size_t>(outputs) * chosen * size);
  multiply({{&groupScores_, scores.data()}}, inputs_, outputs);
  std::vector<int> order(static_cast<size_t>(outputs) * count);
  for (int i = 0; i < outputs; i++) {
    const auto first = order.begin() + static_cast<size_t>(i) * count;
    const float* own = scores.data() + static_cast<size_t>(i) * count;
    std::iota(first, first + count, 0);
    std::partial_sort(first, first + chosen, first + count, [own](int a, int b) { return own[a] != own[b] ? own[a] > own[b] : a < b; });
  }
  const Packed& packed = groupLogits_[0].packed;
  const Rounded x = groupLogits_[0].isPacked() ? rounded(inputs_, packed.block(), outputs) : Rounded{};
  threads_->each(outputs * chosen * units, [&](int i, int) {
    const int at = i / units, from = at / chosen;
    rows(groupLogits_[order[static_cast<size_t>(from) * count + at % chosen]], i % units, inputs_, x, &from, &at, 1, logits.data());
  });
  best.resize(outputs);
  for (int i = 0; i < outputs; i++) {
    const float* own = logits.data() + static_cast<size_t>(i) * chosen * size;
    const int at = std::max_element(own, own + chosen * size) - own;
    best[i] = groups.tokens[static_cast<size_t>(order[static_cast<size_t>(i) * count + at / size]) * size + at % size];
  }
}

}  // namespace dinf::cpu
