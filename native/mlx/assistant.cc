// Drafts of an assistant, a small engine whose layers read the keys of the large one.
#include "engine.h"

namespace dinf::mlx {

void MlxEngine::loadAssistant(const Assistant& assistant, const MlxEngine& large) {
  model_ = assistant.model;
  assists_ = &assistant;
  large_ = &large;
  type_ = large.type_;
  for (const Layer& layer : model_.layers) layers_.push_back(read(layer));
  norm_ = norm(model_.norm);
  join_ = read(assistant.join);
  back_ = read(assistant.back);
  lmHead_ = read(model_.lmHead, assistant.groups.has_value());
  if (assistant.groups) groupScores_ = read(assistant.groups->scores);
  files_.forget();
}

std::string MlxEngine::draftWithAssistant(const DraftStep& draft, std::vector<int32_t>& best) {
  MlxEngine& own = *assistant_;
  const auto before = mx::take(draft.isChained ? draftedStates_ : steppedStates_, listOf(draft.before), 0);
  const Pass pass = passOf(draft.step);
  auto state = multiply(own.join_, mx::concatenate({embed(draft.step, listOf(draft.step.tokens)), before}, -1));
  for (LayerOf& layer : own.layers_) {
    state = own.runLayer(layer, state, pass);
    if (layer.scale) state = state * *layer.scale;
  }
  const auto states = own.normalised(state, own.norm_);
  draftedStates_ = multiply(own.back_, states);
  const auto wanted = mx::take(states, listOf(draft.step.outputs), 0);
  const auto tokens = own.assists_->groups ? own.bestOfGroups(wanted) : mx::astype(mx::argmax(mx::astype(multiply(own.lmHead_, wanted), mx::float32), -1), mx::int32);
  mx::eval({draftedStates_, tokens});
  best.assign(tokens.data<int32_t>(), tokens.data<int32_t>() + draft.step.outputs.size());
  return "";
}

mx::array MlxEngine::bestOfGroups(const mx::array& states) {
  const VocabularyGroups& groups = *assists_->groups;
  const int outputs = states.shape(0), chosen = groups.chosen, size = lmHead_.weight.shape(1);
  const auto order = mx::argsort(mx::negative(mx::astype(multiply(groupScores_, states), mx::float32)), -1);
  const auto picked = mx::astype(mx::slice(order, {0, 0}, {outputs, chosen}), mx::uint32);
  const auto made = multiplyChosen(lmHead_, mx::reshape(states, {outputs, 1, 1, model_.hidden}), picked);
  const auto at = mx::astype(mx::argmax(mx::astype(mx::reshape(made, {outputs, chosen * size}), mx::float32), -1, true), mx::int32);
  const auto in = mx::array(size, mx::int32);
  const auto group = mx::astype(mx::take_along_axis(picked, mx::floor_divide(at, in), -1), mx::int32);
  return mx::take(listOf(groups.tokens), mx::reshape(group * in + mx::remainder(at, in), {outputs}));
}

}  // namespace dinf::mlx
