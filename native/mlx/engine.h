#pragma once

#include <mlx/mlx.h>

#include <algorithm>
#include <span>

#include "../decoder/engine.h"

namespace dinf::mlx {

namespace mx = ::mlx::core;

inline mx::array listOf(const std::vector<int32_t>& list) { return mx::array(list.data(), mx::Shape{static_cast<int>(list.size())}, mx::int32); }

/// Places of the cache: the first one if they are consecutive, otherwise all of them.
struct Places {
  explicit Places(const std::vector<int32_t>& places) : count(places.size()) {
    const auto isGap = [](int32_t one, int32_t next) { return next != one + 1; };
    if (std::adjacent_find(places.begin(), places.end(), isGap) == places.end()) first = places.front();
    else list = listOf(places);
  }
  int count = 0;
  std::optional<int> first;
  std::optional<mx::array> list;
};

/// The decoder as a graph of MLX operations. MLX runs it on Metal if the machine has it, otherwise
/// on the processor. All calls must come from one thread: since MLX 0.31.2, a stream belongs to the
/// thread that created it, and so does an array that is not evaluated yet.
class MlxEngine final : public Engine {
 public:
  ~MlxEngine() override;
  std::string load(const Model& model) override;
  void expect(const Step& step) override;
  std::string step(const Step& step, StepResult& result) override;
  void begin() override;
  std::string advance(const Advance& advance) override;
  std::string draft(const DraftStep& draft, std::vector<int32_t>& best) override;
  size_t keptStates(bool ofDraft) const override { return (ofDraft ? draftedStates_ : steppedStates_).shape(0); }
  int64_t memoryBytes() const override { return memory_; }
  int64_t cacheBytes() const override;
  std::string keep(int pages, int states) override;
  int64_t numberBytes() const override { return type_.size(); }
  std::string save(const Units& units, uint8_t* bytes) override;
  std::string restore(const Units& units, const uint8_t* bytes) override;

 private:
  struct Weights {
    mx::array weight = mx::array(0.0f);
    std::optional<mx::array> scales, biases, bias;
    int bits = 0, group = 0;
    bool mxfp4 = false;
  };
  /// What the projections of Gated DeltaNet made of tokens: the inputs of the convolution, and for each value
  /// head how much is written, and the logarithm of what is kept.
  struct Projected {
    mx::array channels, writes, fades;
  };
  struct LayerOf {
    const Layer* shape;
    Weights q, k, v, o, gate, up, down, router, outputGate;
    /// The expert that every token uses.
    Weights sharedGate, sharedUp, sharedDown, share;
    /// Weights of Gated DeltaNet; `factors` are those of the convolution.
    Weights write, fade;
    std::optional<mx::array> fadeBias, fadeRate, factors, deltaNorm;
    /// The parts of the states by slot. Each is an array of its own, so that a step neither gathers
    /// nor copies those of other sequences.
    std::vector<mx::array> memories, inputs;
    /// What the projections of Gated DeltaNet made of the first tokens of the last step.
    std::optional<Projected> kept;
    std::optional<mx::array> inputNorm, mlpNorm, choiceBias, sinks, qNorm, kNorm, attentionNorm, mlpOutputNorm;
    /// Experts beside a dense MLP, and the embedding of the layer.
    Weights besideGate, besideUp, besideDown, besideRouter, perLayerGate, perLayerProjection;
    std::optional<mx::array> besideInputNorm, besideOutputNorm, denseOutputNorm, routerNorm, shareScales, perLayerNorm, scale;
    /// [head, place, number]: those of one head at consecutive places are beside one another, as MLX multiplies them.
    mx::array keys = mx::array(0.0f), values = mx::array(0.0f);
  };
  /// Consecutive rows of a step with states, each with as many tokens, and the slots of their states.
  struct StateGroup {
    int firstToken, tokens;
    std::vector<int> read, written;
  };
  /// Experts and how they are chosen.
  struct Routed {
    const Weights &gate, &up, &down;
    const Routing& routing;
    /// Numbers for each expert, if any: factors of their shares, and what is added to their scores
    /// when some of them are chosen.
    const std::optional<mx::array>&shareScales, &choiceBias;
  };
  /// Rows of a group whose attention is computed at once, in layers with one window: as many places for each row, and which
  /// of them each token attends to, in the form of MLX: all, those up to its own, or a mask.
  struct Part {
    int firstToken, rows;
    Places places;
    std::string mode;
    std::optional<mx::array> mask;
  };
  /// Consecutive rows of a step with as many tokens each: several rows with one token, or one row with
  /// several tokens.
  struct Group {
    std::vector<int> rows;
    int firstToken, tokens;
    /// The key is the layer's window, in tokens.
    std::map<int, std::vector<Part>> parts;
  };

  mx::array read(const Tensor& tensor, const mx::Shape& shape, mx::Dtype as);
  /// If `isStacked`, the arrays have a dimension for the experts.
  Weights read(const Matrix& matrix, bool isStacked = false);
  /// Changes the cache of each layer to this many pages. The remaining pages keep their contents.
  void resizeCache(int pages);
  /// Grows the cache so that it has these pages.
  void growCache(int pages);
  mx::array norm(const Tensor& tensor);
  std::optional<mx::array> norm(const std::optional<Tensor>& tensor);
  LayerOf read(const Layer& layer);
  /// Loads this engine as the assistant of another one, whose keys it reads.
  void loadAssistant(const Assistant& assistant, const MlxEngine& large);
  std::string draftWithAssistant(const DraftStep& draft, std::vector<int32_t>& best);
  /// The most likely tokens of the best groups.
  mx::array bestOfGroups(const mx::array& states);
  std::vector<Group> groups(const Step& step);
  std::vector<Part> partsOf(const Step& step, const Group& group, const Layer& layer) const;
  Part partOf(const Step& step, const Group& group, const Layer& layer, int firstRow, int rows) const;
  /// The layers of the model without that of its draft head.
  std::span<LayerOf> trunk() { return {layers_.data(), model_.layers.size()}; }
  /// The angles of a rope, [token, 1, 1 or 2, pair]: the cosines, and the sines for the first half of a head, which are
  /// negative, and for the second.
  struct Angles {
    mx::array cosines, sines;
  };
  /// The angles of each rope.
  std::vector<Angles> anglesOf(const Step& step);
  /// What the layers of a pass share.
  struct Pass {
    const Step& step;
    Places places;
    std::vector<Angles> ropeAngles;
    std::vector<Group> groups;
  };
  Pass passOf(const Step& step);
  /// A step whose results were not read yet.
  struct Planned {
    /// What is to be computed: the caches, and the most likely tokens and the logits if the step has outputs.
    std::vector<mx::array> wanted;
    std::optional<mx::array> best, logits;
  };
  /// A step that is computed before it is asked for.
  struct Ahead {
    Step step;
    Planned planned;
  };
  /// Makes the graph of a step. The tokens may be the result of another step, which is not computed yet.
  Planned plan(const Step& step, const mx::array& tokens);
  static void start(Planned& planned);
  /// Returns the state with what attention, or Gated DeltaNet, and the MLP of a layer make of it.
  mx::array runLayer(LayerOf& layer, const mx::array& state, const Pass& pass);
  /// The same for a layer with keys, if only the states of the outputs are needed: returns only those.
  mx::array runNarrowed(LayerOf& layer, const mx::array& state, const Pass& pass, const Pass& outputs);
  /// Returns the state with what attention, or Gated DeltaNet, and the MLP add to it.
  mx::array addMixed(const LayerOf& layer, const mx::array& state, const mx::array& mixed);
  mx::array rowsOf(const Weights& w, const mx::array& tokens);
  mx::array embed(const Step& step, const mx::array& tokens);
  /// Returns the embeddings of the step's tokens of images (part 0), or what they get after a layer.
  mx::array ofImages(const Step& step, int part);
  mx::array embedForLayers(const mx::array& tokens, const mx::array& state);
  mx::array fromPerLayer(const LayerOf& layer, const mx::array& state, const mx::array& all);
  /// Returns the products with a matrix, head by head.
  mx::array heads(const Weights& w, const mx::array& input, const LayerOf& layer);
  /// Normalises and rotates queries or keys.
  mx::array rotated(mx::array x, const LayerOf& layer, const std::optional<mx::array>& norm, const Pass& pass);
  void storeKeys(LayerOf& layer, const mx::array& input, const Pass& pass);
  mx::array attention(LayerOf& layer, const mx::array& input, const Pass& pass);
  mx::array delta(LayerOf& layer, const mx::array& input, const Step& step, const std::vector<Group>& groups);
  /// Changes the states of a group's rows, and returns what each value head reads from them for each token.
  mx::array recall(LayerOf& layer, const Projected& projected, const StateGroup& group);
  /// Frees the states from slot number `slots` on, or adds empty ones.
  void resizeStates(int slots);
  mx::array mlp(const Weights& gate, const Weights& up, const Weights& down, const mx::array& input);
  /// `scores` are the products of the router.
  mx::array experts(const Routed& routed, const mx::array& scores, const mx::array& input);
  /// Returns the input of attention or of the MLP, which some models do not normalise.
  mx::array normalised(const mx::array& state, const std::optional<mx::array>& norm) const { return norm ? mx::fast::rms_norm(state, *norm, model_.normEps) : state; }
  /// Computes the MLP of a layer, or its experts, or both.
  mx::array mlpOf(const LayerOf& layer, const mx::array& state);
  mx::array activate(const mx::array& gate, const mx::array& up);

  Model model_;
  Mappings files_;
  mx::Dtype type_ = mx::float32;
  Weights embedding_, lmHead_, perLayerEmbedding_, perLayerProjection_;
  mx::array norm_ = mx::array(0.0f), perLayerNorm_ = mx::array(0.0f);
  /// The layers, and that of the draft head if there is one.
  std::vector<LayerOf> layers_;
  /// Of the draft head: the rest of its weights, and the normalised states of the last step and of the
  /// last draft, which have no rows without a head.
  Weights join_;
  mx::array joinedEmbeddingNorm_ = mx::array(0.0f), joinedHiddenNorm_ = mx::array(0.0f), headNorm_ = mx::array(0.0f), steppedStates_ = mx::zeros({0, 1}), draftedStates_ = mx::zeros({0, 1});
  /// The assistant, if there is one. Of an assistant: the engine whose keys it reads, and its own weights.
  std::unique_ptr<MlxEngine> assistant_;
  const MlxEngine* large_ = nullptr;
  const Assistant* assists_ = nullptr;
  Weights back_, groupScores_;
  std::optional<Step> expected_;
  std::optional<Ahead> ahead_;
  int64_t memory_ = 0;
  int cachePages_ = 0;
  int states_ = 0;
  int steps_ = 0;
};

/// Multiplies by a matrix that is not in MXFP4.
template <class Weights>
mx::array multiply(const Weights& w, const mx::array& x) {
  const auto made = w.bits == 0 ? mx::matmul(x, mx::transpose(w.weight)) : mx::quantized_matmul(x, w.weight, *w.scales, w.biases, true, w.group, w.bits);
  return w.bias ? made + *w.bias : made;
}

/// Multiplies each input by the matrices that are chosen for it, of stacked ones.
template <class Weights>
mx::array multiplyChosen(const Weights& w, const mx::array& x, const mx::array& chosen) {
  if (w.bits == 0) return mx::gather_mm(x, mx::swapaxes(w.weight, -1, -2), std::nullopt, chosen);
#if MLX_VERSION_NUMERIC >= 29000
  if (w.mxfp4) return mx::gather_qmm(x, w.weight, *w.scales, std::nullopt, std::nullopt, chosen, true, w.group, w.bits, "mxfp4");
#endif
  return mx::gather_qmm(x, w.weight, *w.scales, w.biases, std::nullopt, chosen, true, w.group, w.bits);
}

/// Returns the device on which MLX computes.
std::string device();
/// Returns an error message if the loaded MLX library has another version than the one that this
/// addon was compiled for, otherwise an empty text.
std::string mismatch();

}  // namespace dinf::mlx
