#pragma once

#include <array>
#include <cmath>
#include <span>

#include "../decoder/engine.h"
#include "lazy-memory.h"
#include "packing.h"

namespace dinf::cpu {

/// Returns the kernels for the best instruction set of this processor, or for a lesser one
/// that DINF_CPU_KERNELS names.
const Kernels& chooseKernels();

inline float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

class CpuEngine final : public Engine {
 public:
  std::string load(const Model& model) override;
  std::string step(const Step& step, StepResult& result) override;
  std::string advance(const Advance& advance) override;
  std::string draft(const DraftStep& draft, std::vector<int32_t>& best) override;
  size_t keptStates(bool ofDraft) const override { return ofDraft ? drafted_ : stepped_; }
  int64_t memoryBytes() const override { return memory_; }
  int64_t cacheBytes() const override { return usedPages_ * pageBytes() + usedStates_ * stateBytes(); }
  std::string keep(int pages, int states) override;
  std::string save(const Units& units, uint8_t* bytes) override;
  std::string restore(const Units& units, const uint8_t* bytes) override;

 private:
  struct LayerOf {
    const Layer* shape;
    Weights q, k, v, o;
    /// One matrix each, or one for each expert.
    std::vector<Weights> gate, up, down;
    Weights router, outputGate, write, fade;
    /// The expert that every token uses.
    Weights sharedGate, sharedUp, sharedDown, share;
    /// Numbers of Gated DeltaNet; `factors` are those of the convolution.
    std::vector<float> fadeBias, fadeRate, factors, deltaNorm;
    /// Experts beside a dense MLP, and the embedding of the layer.
    std::vector<Weights> besideGate, besideUp, besideDown;
    Weights besideRouter, perLayerGate, perLayerProjection;
    std::vector<float> besideInputNorm, besideOutputNorm, denseOutputNorm, routerNorm, shareScales, perLayerNorm, scale;
    /// Added to the scores of experts when some of them are chosen.
    std::vector<float> choiceBias;
    std::vector<float> sinks, inputNorm, mlpNorm, qNorm, kNorm, attentionNorm, mlpOutputNorm;
    LazyNumbers keys, values, states;
    /// What the projections of Gated DeltaNet made of the first tokens of the last step: q, k, v, write
    /// and fade.
    std::array<std::vector<float>, 5> kept;
  };
  /// Inputs of a multiplication, unrounded and rounded for each block size requested so far.
  struct Inputs {
    float* rows = nullptr;
    int width = 0;
    std::vector<int8_t> values[2];
    std::vector<float> scales[2], sums[2];
    bool isRounded[2] = {false, false};
  };

  /// Length of one page of one layer's keys. A page of values has the same length.
  size_t pageSize(const Layer& layer) const { return static_cast<size_t>(model_.pageTokens) * layer.keyNumbers(); }
  int64_t pageBytes() const {
    return sum([this](const Layer& layer) { return layer.hasKeys() ? static_cast<int64_t>(2 * pageSize(layer) * sizeof(float)) : 0; });
  }
  int64_t stateBytes() const {
    return sum([](const Layer& layer) { return layer.delta ? layer.delta->stateNumbers() * static_cast<int64_t>(sizeof(float)) : 0; });
  }
  template <class BytesOf>
  int64_t sum(const BytesOf& bytesOf) const {
    int64_t bytes = 0;
    for (const LayerOf& layer : layers_) bytes += bytesOf(*layer.shape);
    return bytes;
  }
  /// Calls `copy` with the place and the number of the numbers of each unit, layer by layer.
  template <class Copy>
  void eachPart(const Units& units, const Copy& copy);
  /// The layers of the model without that of its draft head.
  std::span<LayerOf> trunk() { return {layers_.data(), model_.layers.size()}; }
  /// Loads the layers, and allocates the buffers of a step.
  bool loadLayers();
  bool loadLayer(const Layer& from, LayerOf& to);
  /// Loads this engine as the assistant of another one, whose keys it reads and whose threads it uses.
  bool loadAssistant(const Assistant& assistant, CpuEngine& large);
  /// Joins the embeddings of a draft, in state_, with the states before them.
  void draftWithAssistant(const DraftStep& draft, std::vector<int32_t>& best);
  /// Runs the layers of an assistant for joined inputs, and writes the states before the next tokens to `states`.
  void assist(const Step& step, float* joined, std::vector<float>& states, std::vector<int32_t>& best);
  /// The most likely token of the best groups, for each of the states in inputs_.
  void chooseOfGroups(int outputs, std::vector<int32_t>& best);
  bool packStack(const Matrix& from, std::vector<Weights>& to);
  bool loadVector(const std::optional<Tensor>& from, bool plusOne, std::vector<float>& to);
  void setInputs(Inputs& inputs, float* rows, int width);
  Rounded rounded(Inputs& inputs, int block, int tokens);
  void multiply(std::initializer_list<std::pair<const Weights*, float*>> products, Inputs& inputs, int tokens);
  void multiplySome(const Weights& w, Inputs& inputs, int tokens, const int* from, const int* to, int n, float* out);
  void rows(const Weights& w, int unit, Inputs& inputs, const Rounded& x, const int* from, const int* to, int n, float* out);
  void embed(const Step& step);
  /// Adds to state_ what attention, or Gated DeltaNet, and the MLP of a layer make of it.
  void runLayer(LayerOf& layer, const Step& step);
  /// The same for a layer with keys, if only the states of the outputs are needed. Leaves only those in state_.
  void runNarrowed(LayerOf& layer, const Step& step, const Step& outputs);
  /// Adds to state_ what the rest of a layer makes of attended_.
  void addAttended(LayerOf& layer, int tokens);
  /// Moves the rows of the outputs to the beginning of a list of rows with `width` numbers each.
  static void keepOutputs(const Step& step, std::vector<float>& rows, size_t width);
  /// Computes the logits of the states in inputs_, and the largest one of each.
  void chooseBest(int outputs, std::vector<float>& logits, std::vector<int32_t>& best);
  /// Makes the queries or the keys of a token ready for attention, from their projections.
  void readyQueries(LayerOf& layer, const Step& step, int token);
  void storeKeys(LayerOf& layer, const Step& step, int token);
  void readyHeads(const LayerOf& layer, const Step& step, int token, float* heads, int count, const std::vector<float>& norm);
  void attention(LayerOf& layer, const Step& step);
  void delta(LayerOf& layer, const Step& step);
  void beginState(LayerOf& layer, const Step& step, const Run& run);
  void convolve(LayerOf& layer, const Step& step, const Run& run, int token);
  void rememberInputs(LayerOf& layer, const Step& step, const Run& run);
  void recall(LayerOf& layer, const Step& step, const Run& run, int head);
  void gateRecalled(LayerOf& layer, const Run& run, int head);
  void runStates(LayerOf& layer, const Step& step, const std::vector<Run>& runs);
  /// Buffers of the projections that are kept, and the number of their results for a token.
  std::array<std::pair<std::vector<float>*, int>, 5> keptProjections(const Delta& delta);
  void keepProjections(LayerOf& layer, int tokens);
  float* stateOf(LayerOf& layer, const Step& step, const Run& run);
  void mlp(const Weights& gate, const Weights& up, const Weights& down, int tokens);
  /// Experts and how they are chosen.
  struct Routed {
    const std::vector<Weights>&gate, &up, &down;
    const Routing& routing;
    /// Numbers for each expert, or empty: factors of their shares, and what is added to their scores
    /// when some of them are chosen.
    const std::vector<float>&shareScales, &choiceBias;
  };
  void experts(const Routed& routed, std::vector<float>& shares, int tokens);
  void mlpAndExperts(LayerOf& layer, int tokens);
  void embedForLayers(const Step& step);
  void addPerLayer(LayerOf& layer, int tokens);
  void sharedExpert(LayerOf& layer, int tokens);
  /// Without a norm, the inputs are the state itself.
  void stateInputs(const std::vector<float>& norm, int tokens);
  void addTo(float* state, const float* made, const std::vector<float>& norm, int tokens);
  void normInputs(const std::vector<float>& norm, const float* state, int tokens);

  Model model_;
  const Kernels* kernels_ = nullptr;
  std::shared_ptr<Threads> threads_;
  Mappings files_;
  Weights embedding_, lmHead_, perLayerEmbedding_, perLayerProjection_;
  std::vector<float> norm_, perLayerNorm_, ones_;
  /// The layers, and that of the draft head if there is one.
  std::vector<LayerOf> layers_;
  /// Of the draft head: the rest of its weights, the joined inputs of a pass, and the normalised states
  /// of the last step and of the last draft, with their numbers.
  Weights join_;
  std::vector<float> joinedEmbeddingNorm_, joinedHiddenNorm_, headNorm_, joined_, steppedStates_, draftedStates_;
  size_t stepped_ = 0, drafted_ = 0;
  /// The assistant, if there is one. Of an assistant: the engine whose keys it reads, and its own weights.
  std::unique_ptr<CpuEngine> assistant_;
  CpuEngine* large_ = nullptr;
  const Assistant* assists_ = nullptr;
  Weights back_, groupScores_;
  std::vector<Weights> groupLogits_;
  int64_t memory_ = 0;
  int usedPages_ = 0, usedStates_ = 0;
  Inputs inputs_, attended_, gated_;
  std::vector<float> state_, normed_, q_, k_, v_, out_, gate_, up_, made_;
  /// Of Gated DeltaNet and of gated attention: the gate of the output, and what `convolve` and the
  /// projections for single numbers make.
  std::vector<float> outputGate_, mixed_, write_, fade_, shared_, share_;
  /// The embeddings of the step's tokens for all layers.
  std::vector<float> perLayer_;
  std::vector<std::vector<float>> scores_;
};

}  // namespace dinf::cpu
