// Steps, and those that are computed before they are asked for.
#include <utility>

#include "engine.h"

namespace dinf::mlx {

/// Number of steps after which MLX releases its free buffers.
constexpr int STEPS_BETWEEN_CLEANING = 256;

void MlxEngine::expect(const Step& step) {
  // A step that is not asked for after all has written keys that the next step replaces. States, and what
  // is kept for drafts, could not be replaced.
  if (!checks::hasStates(model_) && !model_.drafts() && !model_.returnsStates) expected_ = step;
}

MlxEngine::Planned MlxEngine::plan(const Step& step, const mx::array& tokens) {
  growCache(checks::pagesOf(model_, step));
  if (const int needed = checks::statesOf(model_, step); needed > states_) resizeStates(needed);
  const bool narrowed = !step.outputs.empty() && isNarrowed(model_, step);
  const Step ofOutputs = narrowed ? step.ofOutputs(model_.ropes) : Step{};
  const Pass pass = passOf(step);
  const std::optional<Pass> passOfOutputs = narrowed ? std::optional(passOf(ofOutputs)) : std::nullopt;
  const int last = model_.lastKeeping();
  auto state = embed(step, tokens);
  auto perLayer = model_.perLayer ? std::optional(embedForLayers(tokens, state)) : std::nullopt;
  for (LayerOf& layer : trunk()) {
    const int index = &layer - layers_.data();
    if (narrowed && index == last) {
      state = runNarrowed(layer, state, pass, *passOfOutputs);
      if (perLayer) perLayer = mx::take(*perLayer, listOf(step.outputs), 0);
    } else state = runLayer(layer, state, narrowed && index > last ? *passOfOutputs : pass);
    if (perLayer) state = state + fromPerLayer(layer, state, *perLayer);
    if (layer.scale) state = state * *layer.scale;
    if (index < model_.imageLayers && !step.imageTokens.empty()) state = mx::scatter_add(state, listOf(step.imageTokens), ofImages(step, 1 + index), 0);
  }
  Planned planned;
  auto& wanted = planned.wanted;
  for (const LayerOf& layer : trunk()) {
    if (layer.shape->hasKeys()) wanted.insert(wanted.end(), {layer.keys, layer.values});
    for (const Run& run : layer.shape->delta ? step.runs() : std::vector<Run>{}) {
      const int slot = step.states[2 * run.row + 1];
      wanted.insert(wanted.end(), {layer.memories[slot], layer.inputs[slot]});
    }
    if (layer.kept) wanted.insert(wanted.end(), {layer.kept->channels, layer.kept->writes, layer.kept->fades});
  }
  if (model_.drafts()) {
    steppedStates_ = mx::fast::rms_norm(state, norm_, model_.normEps);
    wanted.push_back(steppedStates_);
  }
  if (step.outputs.empty()) return planned;
  const auto states = mx::fast::rms_norm(narrowed ? state : mx::take(state, listOf(step.outputs), 0), norm_, model_.normEps);
  auto logits = mx::astype(model_.returnsStates ? states : multiply(lmHead_, states), mx::float32);
  if (model_.logitSoftcap > 0) logits = mx::tanh(logits / mx::array(model_.logitSoftcap)) * mx::array(model_.logitSoftcap);
  planned.best = mx::astype(mx::argmax(logits, -1), mx::int32);
  wanted.push_back(*planned.best);
  if (step.wantsLogits) {
    planned.logits = mx::contiguous(logits);
    wanted.push_back(*planned.logits);
  }
  return planned;
}

/// Starts the computation of a step with outputs. Only its results are held then: if the caches were held too, the next
/// step would copy them in place of writing to them.
void MlxEngine::start(Planned& planned) {
  mx::async_eval(std::exchange(planned.wanted, {*planned.best}));
  if (planned.logits) planned.wanted.push_back(*planned.logits);
}

std::string MlxEngine::step(const Step& step, StepResult& result) try {
  auto ahead = std::exchange(ahead_, std::nullopt);
  const auto expected = std::exchange(expected_, std::nullopt);
  result.wasAhead = ahead && ahead->step == step;
  Planned planned = result.wasAhead ? std::move(ahead->planned) : plan(step, listOf(step.tokens));
  if (expected) {
    if (!result.wasAhead) start(planned);
    // The next graph is made while this step is computed.
    ahead_ = Ahead{*expected, plan(*expected, *planned.best)};
  }
  mx::eval(planned.wanted);
  const size_t outputs = step.outputs.size();
  if (outputs > 0) {
    const int32_t* best = planned.best->data<int32_t>();
    result.best.assign(best, best + outputs);
  }
  if (planned.logits) {
    const float* logits = planned.logits->data<float>();
    result.logits.assign(logits, logits + outputs * model_.outputNumbers());
  }
  if (ahead_) ahead_->step.tokens = result.best;
  if (step.tokens.size() > step.runs().size() || ++steps_ % STEPS_BETWEEN_CLEANING == 0) mx::clear_cache();
  return "";
} catch (const std::exception& error) {
  ahead_.reset();
  return error.what();
}

void MlxEngine::begin() {
  if (!ahead_) return;
  try {
    start(ahead_->planned);
  } catch (const std::exception&) {
    // The step that is asked for next needs the same caches, and so fails and reports the error.
    ahead_.reset();
  }
}

}  // namespace dinf::mlx
