// Gated DeltaNet: attention whose past is a state of constant size. provider/engine/decoders/
// reference-delta.ts has the same computation in the order of its formulas.
#include <algorithm>
#include <cmath>

#include "decoder.h"

namespace dinf::cpu {

/// The state that a run of tokens writes.
float* CpuEngine::stateOf(LayerOf& layer, const Step& step, const Run& run) { return layer.states.data() + layer.shape->delta->stateNumbers() * step.states[2 * run.row + 1]; }

/// Copies the state that a run reads to the slot that it writes.
void CpuEngine::beginState(LayerOf& layer, const Step& step, const Run& run) {
  const int64_t numbers = layer.shape->delta->stateNumbers();
  const int read = step.states[2 * run.row], write = step.states[2 * run.row + 1];
  float* to = layer.states.data() + numbers * write;
  if (read == NO_STATE) std::fill_n(to, numbers, 0.0f);
  else if (read != write) std::copy_n(layer.states.data() + numbers * read, numbers, to);
}

/// Calls `use` with the index of the first channel, the results of a projection, and their number
/// for a token: queries, keys and values are the channels of the convolution.
template <class Use>
static void eachProjection(const Delta& delta, const Use& use) {
  use(0, delta.keys(), 0);
  use(delta.keys(), delta.keys(), 1);
  use(2 * delta.keys(), delta.values(), 2);
}

/// Adds up each channel of a token over the last tokens, and scales queries and keys to the length 1.
void CpuEngine::convolve(LayerOf& layer, const Step& step, const Run& run, int token) {
  const Delta& delta = *layer.shape->delta;
  const int length = delta.convolution, channels = delta.channels(), index = token - run.first;
  const float* before = stateOf(layer, step, run) + delta.memoryNumbers();
  float* out = mixed_.data() + static_cast<size_t>(token) * channels;
  eachProjection(delta, [&](int from, int count, int which) {
    const float* made = (which == 0 ? q_ : which == 1 ? k_ : v_).data();
    for (int i = 0; i < count; i++) {
      const float* factors = layer.factors.data() + static_cast<size_t>(from + i) * length;
      float sum = 0;
      for (int j = 0; j < length; j++) {
        const int at = index + j - (length - 1);
        sum += factors[j] * (at >= 0 ? made[static_cast<size_t>(run.first + at) * count + i] : before[static_cast<size_t>(at + length - 1) * channels + from + i]);
      }
      out[from + i] = sum / (1 + std::exp(-sum));
    }
  });
  for (int head = 0; head < 2 * delta.keyHeads; head++) {
    float* at = out + static_cast<size_t>(head) * delta.keyDim;
    float sum = 1e-6f;
    for (int i = 0; i < delta.keyDim; i++) sum += at[i] * at[i];
    const float factor = 1 / std::sqrt(sum);
    for (int i = 0; i < delta.keyDim; i++) at[i] *= factor;
  }
}

/// Stores the last inputs of a run for the tokens that follow it.
void CpuEngine::rememberInputs(LayerOf& layer, const Step& step, const Run& run) {
  const Delta& delta = *layer.shape->delta;
  const int kept = delta.convolution - 1, channels = delta.channels();
  float* inputs = stateOf(layer, step, run) + delta.memoryNumbers();
  const int moved = std::max(0, kept - run.tokens);
  std::copy_n(inputs + static_cast<size_t>(kept - moved) * channels, static_cast<size_t>(moved) * channels, inputs);
  eachProjection(delta, [&](int from, int count, int which) {
    const float* made = (which == 0 ? q_ : which == 1 ? k_ : v_).data();
    for (int i = moved; i < kept; i++) std::copy_n(made + static_cast<size_t>(run.first + run.tokens - kept + i) * count, count, inputs + static_cast<size_t>(i) * channels + from);
  });
}

/// Changes the memory of one value head by the tokens of a run, in their order, and writes what they read
/// from it to out_.
void CpuEngine::recall(LayerOf& layer, const Step& step, const Run& run, int head) {
  const Delta& delta = *layer.shape->delta;
  const int keyHead = head / (delta.valueHeads / delta.keyHeads), keyDim = delta.keyDim, valueDim = delta.valueDim;
  const float rate = -std::exp(layer.fadeRate[head]), scale = 1 / std::sqrt(static_cast<float>(keyDim));
  float* memory = stateOf(layer, step, run) + static_cast<size_t>(head) * keyDim * valueDim;
  for (int t = run.first; t < run.first + run.tokens; t++) {
    const float* mixed = mixed_.data() + static_cast<size_t>(t) * delta.channels();
    const size_t number = static_cast<size_t>(t) * delta.valueHeads + head;
    const float fade = fade_[number] + layer.fadeBias[head], softplus = std::max(fade, 0.0f) + std::log1p(std::exp(-std::fabs(fade)));
    float* out = out_.data() + static_cast<size_t>(t) * delta.values() + static_cast<size_t>(head) * valueDim;
    kernels_->recall({memory, mixed + static_cast<size_t>(keyHead) * keyDim, mixed + delta.keys() + static_cast<size_t>(keyHead) * keyDim, mixed + 2 * static_cast<size_t>(delta.keys()) + static_cast<size_t>(head) * valueDim, keyDim, valueDim,
                      std::exp(rate * softplus), 1 / (1 + std::exp(-write_[number])), scale, out});
  }
}

/// Normalises what the tokens of a run read from the memory of one value head, and multiplies it by its gate.
void CpuEngine::gateRecalled(LayerOf& layer, const Run& run, int head) {
  const Delta& delta = *layer.shape->delta;
  const int valueDim = delta.valueDim;
  for (int t = run.first; t < run.first + run.tokens; t++) {
    const size_t at = static_cast<size_t>(t) * delta.values() + static_cast<size_t>(head) * valueDim;
    float *out = out_.data() + at, *gate = outputGate_.data() + at;
    kernels_->normalise(out, layer.deltaNorm.data(), valueDim, model_.normEps, out);
    kernels_->activate(gate, out, valueDim, Activation::silu, 0);
    std::copy_n(gate, valueDim, out);
  }
}

/// Changes the states of runs by the projections in q_, k_, v_, write_ and fade_.
void CpuEngine::runStates(LayerOf& layer, const Step& step, const std::vector<Run>& runs) {
  const int count = runs.size(), heads = layer.shape->delta->valueHeads;
  std::vector<std::pair<const Run*, int>> tokens;
  for (const Run& run : runs)
    for (int t = run.first; t < run.first + run.tokens; t++) tokens.push_back({&run, t});
  threads_->each(count, [&](int i, int) { beginState(layer, step, runs[i]); });
  threads_->each(tokens.size(), [&](int i, int) { convolve(layer, step, *tokens[i].first, tokens[i].second); });
  threads_->each(count, [&](int i, int) { rememberInputs(layer, step, runs[i]); });
  threads_->each(count * heads, [&](int i, int) { recall(layer, step, runs[i / heads], i % heads); });
}

/// Computes the output for the projections in q_, k_, v_ and outputGate_, and writes it to out_.
void CpuEngine::delta(LayerOf& layer, const Step& step) {
  const int tokens = step.tokens.size(), heads = layer.shape->delta->valueHeads;
  const std::vector<Run> runs = step.runs();
  multiply({{&layer.write, write_.data()}, {&layer.fade, fade_.data()}}, inputs_, tokens);
  keepProjections(layer, tokens);
  runStates(layer, step, runs);
  threads_->each(runs.size() * heads, [&](int i, int) { gateRecalled(layer, runs[i / heads], i % heads); });
  setInputs(attended_, out_.data(), layer.shape->delta->values());
}

std::array<std::pair<std::vector<float>*, int>, 5> CpuEngine::keptProjections(const Delta& delta) {
  return {{{&q_, delta.keys()}, {&k_, delta.keys()}, {&v_, delta.values()}, {&write_, delta.valueHeads}, {&fade_, delta.valueHeads}}};
}

/// Keeps the projections of the step's first tokens, by which `advance` changes states again.
void CpuEngine::keepProjections(LayerOf& layer, int tokens) {
  const size_t kept = std::min(tokens, model_.keptTokens);
  for (size_t i = 0; const auto& [made, width] : keptProjections(*layer.shape->delta)) std::copy_n(made->data(), kept * width, layer.kept[i++].data());
}

std::string CpuEngine::advance(const Advance& advance) {
  Step step;
  std::vector<Run> runs;
  for (size_t i = 0; i < advance.slots.size(); i++) {
    runs.push_back({static_cast<int>(i), advance.firsts[i], advance.counts[i]});
    step.states.insert(step.states.end(), 2, advance.slots[i]);
    usedStates_ = std::max(usedStates_, advance.slots[i] + 1);
  }
  const size_t kept = runs.back().first + runs.back().tokens;
  for (LayerOf& layer : trunk()) {
    if (!layer.shape->delta) continue;
    for (size_t i = 0; const auto& [made, width] : keptProjections(*layer.shape->delta)) std::copy_n(layer.kept[i++].data(), kept * width, made->data());
    runStates(layer, step, runs);
  }
  return "";
}

}  // namespace dinf::cpu
