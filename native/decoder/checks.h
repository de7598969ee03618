// Checks models and steps before an engine accesses memory. TypeScript has already checked both.
// They are checked again here, because a gap in those checks would let a prompt or a hostile model
// folder read or write outside of the engine's memory.
#pragma once

#include <algorithm>
#include <functional>

#include "model.h"

namespace dinf::checks {

/// Number of cached tokens that the kernels read at once.
constexpr int LANES = 16;
constexpr int MAX_SIZE = 1 << 20;
constexpr int MAX_THREADS = 1024;
constexpr int64_t MAX_BYTES = int64_t{1} << 50;
/// Maximum length of one buffer of a step: 8 GiB of 32-bit numbers.
constexpr int64_t MAX_NUMBERS = int64_t{1} << 31;
/// Maximum length of the states of one layer: 256 GiB of 32-bit numbers.
constexpr int64_t MAX_STATES = int64_t{1} << 36;

inline bool isWithin(int64_t value, int64_t least, int64_t most) { return value >= least && value <= most; }

struct Size {
  int out, in, count = 1;
  bool mayBeMxfp4 = false;
};

/// Checks a model up to the first error; the remaining checks are then skipped.
class ModelCheck {
 public:
  explicit ModelCheck(const Model& model, const Model* large = nullptr) : m(model), large_(large) {}

  std::string wrong() {
    check(isWithin(m.vocabulary, 1, MAX_SIZE) && isWithin(m.hidden, 1, MAX_SIZE) && isWithin(m.headDim, 2, 1024) && m.headDim % 2 == 0, "the size of the vocabulary, the hidden state or a head");
    check(isWithin(m.heads, 1, 1024), "the number of heads");
    check(isWithin(m.pageTokens, LANES, 1024) && m.pageTokens % LANES == 0 && m.pages >= 1 && int64_t{m.pages} * m.pageTokens <= INT32_MAX, "the number of pages");
    check(isWithin(m.maxTokens, 1, 1 << 16) && isWithin(m.keptTokens, 1, m.maxTokens) && isWithin(m.threads, 1, MAX_THREADS) && isWithin(m.ropes, 1, 16), "the number of tokens, threads or ropes");
    check(isWithin(m.layers.size(), 1, 1024), "the number of layers");
    check(isWithin(m.imageLayers, 0, m.layers.size()), "the number of layers that get numbers of images");
    if (!wrong_.empty()) return wrong_;
    const int query = m.heads * m.headDim;
    matrix(m.embedding, {m.vocabulary, m.hidden}, "embedding");
    matrix(m.lmHead, {m.vocabulary, m.hidden}, "lmHead");
    vector(m.norm, m.hidden, "norm");
    int64_t widest = std::max({m.hidden, query, m.vocabulary});
    if (m.perLayer) {
      check(isWithin(m.perLayer->width, 1, MAX_SIZE / m.layers.size()), "the size of the embeddings of layers");
      if (!wrong_.empty()) return wrong_;
      const int all = m.perLayer->width * static_cast<int>(m.layers.size());
      widest = std::max(widest, int64_t{all});
      matrix(m.perLayer->embedding, {m.vocabulary, all}, "the embeddings of layers");
      matrix(m.perLayer->projection, {all, m.hidden}, "the projection of the embeddings of layers");
      vector(m.perLayer->norm, m.perLayer->width, "the norm of the embeddings of layers");
    }
    for (size_t index = 0; index < m.layers.size(); index++) {
      layer(m.layers[index], index, widest);
      if (!wrong_.empty()) return wrong_;
    }
    if (m.head) head(*m.head, widest);
    check(widest * m.maxTokens <= MAX_NUMBERS, "the size of a step");
    if (m.assistant && wrong_.empty()) wrong_ = ModelCheck(m.assistant->model, &m).wrongOf(*m.assistant);
    return wrong_;
  }

  /// Checks an assistant, whose layers read the keys of `large_`. It has the vocabulary, the ropes and the
  /// largest heads of the large model, because a draft has the tokens and the angles of a step.
  std::string wrongOf(const Assistant& assistant) {
    const Model& large = *large_;
    check(!large.head && large.imageLayers == 0 && m.vocabulary == large.vocabulary && m.headDim == large.headDim && m.ropes == large.ropes, "the size of the assistant");
    check(isWithin(m.hidden, 1, MAX_SIZE) && isWithin(m.heads, 1, 1024) && isWithin(m.layers.size(), 1, 64), "the size of the assistant");
    check(!m.returnsStates && m.outputScale == 1 && m.imageLayers == 0 && m.globalIsCausal == large.globalIsCausal && m.attendsBothWays == large.attendsBothWays, "the kind of the assistant");
    if (!wrong_.empty()) return wrong_;
    int64_t widest = std::max({2 * large.hidden, m.hidden, m.heads * m.headDim, m.vocabulary});
    matrix(assistant.join, {m.hidden, 2 * large.hidden}, "the input of the assistant");
    matrix(assistant.back, {large.hidden, m.hidden}, "the output of the assistant");
    vector(m.norm, m.hidden, "the norm of the assistant");
    for (const Layer& own : m.layers) {
      check(!own.delta && !own.router && !own.beside && !own.shared && own.keysOf != NO_LAYER, "the kind of a layer of the assistant");
      if (!wrong_.empty()) return wrong_;
      layer(own, large.layers.size(), widest);
      if (!wrong_.empty()) return wrong_;
      check(own.window == large.layers[own.keysOf].window && own.rope == large.layers[own.keysOf].rope, "the window of a layer of the assistant");
    }
    if (assistant.groups) groups(*assistant.groups);
    else matrix(m.lmHead, {m.vocabulary, m.hidden}, "the logits of the assistant");
    check(widest * m.maxTokens <= MAX_NUMBERS, "the size of a draft");
    return wrong_;
  }

 private:
  /// Checks a layer, and raises `widest` to the largest number of values that a token has in it.
  void layer(const Layer& layer, size_t index, int64_t& widest) {
    check(isWithin(layer.rope, 0, m.ropes - 1) && layer.window >= 0 && isWithin(layer.width, 1, MAX_SIZE), "the shape of a layer");
    check(layer.router.has_value() ? isRouting(layer.routing) : layer.routing.experts == 0, "the number of experts");
    if (!wrong_.empty()) return;
    const int count = std::max(1, layer.routing.experts);
    widest = std::max(widest, int64_t{std::max(layer.width, m.hidden)} * std::max(1, layer.routing.perToken));
    if (layer.delta) delta(layer, *layer.delta);
    else attention(layer, index);
    if (!wrong_.empty()) return;
    if (layer.delta) widest = std::max(widest, int64_t{layer.delta->channels()});
    if (layer.shared) {
      check(layer.router.has_value() && isWithin(layer.shared->width, 1, MAX_SIZE), "the size of the shared expert");
      if (!wrong_.empty()) return;
      widest = std::max(widest, int64_t{layer.shared->width});
      matrix(layer.shared->gate, {layer.shared->width, m.hidden}, "the gate of the shared expert");
      matrix(layer.shared->up, {layer.shared->width, m.hidden}, "up of the shared expert");
      matrix(layer.shared->down, {m.hidden, layer.shared->width}, "down of the shared expert");
      if (layer.shared->share) matrix(*layer.shared->share, {1, m.hidden}, "the share of the shared expert");
    }
    matrix(layer.gate, {layer.width, m.hidden, count, true}, "gate");
    matrix(layer.up, {layer.width, m.hidden, count, true}, "up");
    matrix(layer.down, {m.hidden, layer.width, count, true}, "down");
    if (layer.router) matrix(*layer.router, {layer.routing.experts, m.hidden}, "router");
    if (layer.choiceBias) vector(*layer.choiceBias, layer.routing.experts, "choiceBias");
    if (layer.inputNorm) vector(*layer.inputNorm, m.hidden, "inputNorm");
    if (layer.mlpNorm) vector(*layer.mlpNorm, m.hidden, "mlpNorm");
    if (layer.attentionNorm) vector(*layer.attentionNorm, m.hidden, "attentionNorm");
    if (layer.mlpOutputNorm) vector(*layer.mlpOutputNorm, m.hidden, "mlpOutputNorm");
    if (layer.scale) vector(*layer.scale, 1, "the scale of a layer");
    check(layer.perLayer.has_value() == m.perLayer.has_value(), "the embedding of a layer");
    if (!wrong_.empty()) return;
    if (layer.perLayer) {
      matrix(layer.perLayer->gate, {m.perLayer->width, m.hidden}, "the gate of a layer's embedding");
      matrix(layer.perLayer->projection, {m.hidden, m.perLayer->width}, "the projection of a layer's embedding");
      vector(layer.perLayer->norm, m.hidden, "the norm of a layer's embedding");
    }
    if (layer.beside) widest = std::max(widest, beside(*layer.beside, layer));
  }
  void groups(const VocabularyGroups& groups) {
    const int count = m.lmHead.count;
    check(isWithin(count, 1, m.vocabulary) && m.vocabulary % count == 0 && isWithin(groups.chosen, 1, count), "the groups of the vocabulary");
    check(!m.lmHead.bias && groups.tokens.size() == static_cast<size_t>(m.vocabulary) && std::all_of(groups.tokens.begin(), groups.tokens.end(), [this](int32_t token) { return isWithin(token, 0, m.vocabulary - 1); }), "the tokens of groups");
    if (!wrong_.empty()) return;
    matrix(groups.scores, {count, m.hidden}, "the scores of groups");
    matrix(m.lmHead, {m.vocabulary / count, m.hidden, count}, "the logits of groups");
  }
  void head(const Head& head, int64_t& widest) {
    const Layer& own = head.layer;
    check(!own.delta && own.keysOf == NO_LAYER && !m.perLayer && m.imageLayers == 0 && own.window == 0, "the layer of the draft head");
    if (!wrong_.empty()) return;
    layer(own, m.layers.size(), widest);
    widest = std::max(widest, int64_t{2} * m.hidden);
    matrix(head.join, {m.hidden, 2 * m.hidden}, "the input of the draft head");
    for (const Tensor* norm : {&head.embeddingNorm, &head.hiddenNorm, &head.norm}) vector(*norm, m.hidden, "a norm of the draft head");
  }
  void attention(const Layer& layer, size_t index) {
    check(isWithin(layer.headDim, 2, m.headDim) && layer.headDim % 2 == 0 && isWithin(layer.kvHeads, 1, m.heads) && m.heads % layer.kvHeads == 0, "the heads of a layer");
    if (!wrong_.empty()) return;
    const int query = m.heads * layer.headDim, key = layer.keyNumbers();
    matrix(layer.q, {query, m.hidden}, "q");
    if (layer.hasKeys()) {
      matrix(layer.k, {key, m.hidden}, "k");
      if (!layer.keysAreValues) matrix(layer.v, {key, m.hidden}, "v");
    } else {
      check(isWithin(layer.keysOf, 0, static_cast<int64_t>(index) - 1), "the layer whose keys another layer reads");
      if (!wrong_.empty()) return;
      const Layer& from = (large_ ? *large_ : m).layers[layer.keysOf];
      check(from.hasKeys() && from.kvHeads == layer.kvHeads && from.headDim == layer.headDim, "the layer whose keys another layer reads");
    }
    matrix(layer.o, {m.hidden, query}, "o");
    if (layer.outputGate) matrix(*layer.outputGate, {query, m.hidden}, "outputGate");
    if (layer.sinks) vector(*layer.sinks, m.heads, "sinks");
    if (m.normsWholeProjections) check(layer.qNorm.has_value() && layer.kNorm.has_value() == layer.hasKeys(), "the norms of projections");
    if (layer.qNorm) vector(*layer.qNorm, m.normsWholeProjections ? query : layer.headDim, "qNorm");
    if (layer.kNorm) vector(*layer.kNorm, m.normsWholeProjections ? key : layer.headDim, "kNorm");
  }
  static bool isRouting(const Routing& r) {
    if (!isWithin(r.experts, 1, 4096) || !isWithin(r.groups, 1, r.experts) || r.experts % r.groups != 0 || !isWithin(r.chosenGroups, 1, r.groups)) return false;
    const int each = r.experts / r.groups;
    return (r.groups == 1 || each >= 2) && isWithin(r.perToken, 1, int64_t{each} * r.chosenGroups);
  }
  /// Returns the largest number of values that a token has in these experts.
  int64_t beside(const ExpertsBeside& b, const Layer& layer) {
    check(!layer.router && isWithin(b.width, 1, MAX_SIZE) && isRouting(b.routing), "the experts beside a dense MLP");
    if (!wrong_.empty()) return 0;
    matrix(b.gate, {b.width, m.hidden, b.routing.experts}, "the gate of the experts beside");
    matrix(b.up, {b.width, m.hidden, b.routing.experts}, "up of the experts beside");
    matrix(b.down, {m.hidden, b.width, b.routing.experts}, "down of the experts beside");
    matrix(b.router, {b.routing.experts, m.hidden}, "the router of the experts beside");
    for (const Tensor* norm : {&b.inputNorm, &b.outputNorm, &b.denseOutputNorm, &b.routerNorm}) vector(*norm, m.hidden, "a norm of the experts beside");
    vector(b.shareScales, b.routing.experts, "the scales of the experts beside");
    return int64_t{std::max(b.width, m.hidden)} * b.routing.perToken;
  }
  void delta(const Layer& layer, const Delta& delta) {
    check(isWithin(delta.keyHeads, 1, 1024) && isWithin(delta.valueHeads, 1, 1024) && delta.valueHeads % delta.keyHeads == 0, "the number of heads of Gated DeltaNet");
    check(isWithin(delta.keyDim, 1, 1024) && isWithin(delta.valueDim, 1, 1024) && isWithin(delta.convolution, 2, 16), "the size of Gated DeltaNet");
    check(layer.outputGate.has_value() && isWithin(m.states, 1, 1 << 16), "the number of states");
    if (!wrong_.empty()) return;
    check(delta.stateNumbers() * m.states <= MAX_STATES, "the size of the states");
    matrix(layer.q, {delta.keys(), m.hidden}, "q");
    matrix(layer.k, {delta.keys(), m.hidden}, "k");
    matrix(layer.v, {delta.values(), m.hidden}, "v");
    matrix(layer.o, {m.hidden, delta.values()}, "o");
    matrix(*layer.outputGate, {delta.values(), m.hidden}, "outputGate");
    matrix(delta.write, {delta.valueHeads, m.hidden}, "write");
    matrix(delta.fade, {delta.valueHeads, m.hidden}, "fade");
    vector(delta.fadeBias, delta.valueHeads, "fadeBias");
    vector(delta.fadeRate, delta.valueHeads, "fadeRate");
    vector(delta.factors, delta.channels() * delta.convolution, "convolution");
    vector(delta.norm, delta.valueDim, "norm");
  }
  void check(bool holds, const std::string& what) {
    if (!holds && wrong_.empty()) wrong_ = what + " is invalid";
  }
  void matrix(const Matrix& matrix, const Size& size, const std::string& name) {
    const int64_t rows = int64_t{size.out} * size.count, numbers = rows * size.in;
    check(matrix.out == size.out && matrix.in == size.in && matrix.count == size.count, "the shape of " + name);
    if (matrix.bias) check(isNumber(matrix.bias->type) && holds(*matrix.bias, rows * sizeOf(matrix.bias->type)), "the bias of " + name);
    if (matrix.bits == 0) return check(isNumber(matrix.weight.type) && holds(matrix.weight, numbers * sizeOf(matrix.weight.type)), "the bytes of " + name);
    const int bits = matrix.bits, group = matrix.group;
    check((bits == 2 || bits == 3 || bits == 4 || bits == 5 || bits == 6 || bits == 8) && (group == 32 || group == 64 || group == 128), "the rounding of " + name);
    if (!wrong_.empty()) return;
    if (matrix.mxfp4) {
      check(size.mayBeMxfp4 && bits == 4 && group == 32 && size.in % group == 0, "the rounding of " + name);
      check(!isNumber(matrix.weight.type) && holds(matrix.weight, numbers / 2), "the bytes of " + name);
      return check(matrix.scales.type == Type::u8 && holds(matrix.scales, numbers / 32), "the scales of " + name);
    }
    check(size.in % group == 0 && matrix.weight.type == Type::u32 && holds(matrix.weight, numbers * bits / 8), "the bytes of " + name);
    const int64_t bytes = numbers / group * sizeOf(matrix.scales.type);
    check(isNumber(matrix.scales.type) && matrix.scales.type == matrix.biases.type && holds(matrix.scales, bytes) && holds(matrix.biases, bytes), "the scales of " + name);
  }
  void vector(const Tensor& tensor, int size, const std::string& name) { check(isNumber(tensor.type) && holds(tensor, size * sizeOf(tensor.type)), "the bytes of " + name); }
  /// Returns true if the tensor has this size and, if it is chosen from the rows or columns of
  /// another one, consists of whole ones of whole periods or matrices.
  static bool holds(const Tensor& tensor, int64_t bytes) {
    if (tensor.bytes != bytes || !isWithin(bytes, 1, MAX_BYTES) || !isWithin(tensor.offset, 0, MAX_BYTES)) return false;
    if (tensor.turned) {
      const auto [rows, across, first, columns] = *tensor.turned;
      if (!tensor.chosen.empty() || !isNumber(tensor.type)) return false;
      if (!isWithin(rows, 1, MAX_SIZE) || !isWithin(across, 1, MAX_SIZE) || !isWithin(columns, 1, across) || !isWithin(first, 0, across - columns)) return false;
      return bytes % (rows * columns * sizeOf(tensor.type)) == 0 && bytes / columns <= MAX_BYTES / across;
    }
    if (tensor.chosen.empty()) return true;
    const int64_t count = tensor.chosen.size();
    if (!isWithin(count, 1, MAX_SIZE) || !isWithin(tensor.rowBytes, 1, bytes) || !isWithin(tensor.period, 1, MAX_SIZE)) return false;
    if (bytes / count > MAX_BYTES / tensor.period || bytes % count != 0 || bytes / count % tensor.rowBytes != 0) return false;
    return std::all_of(tensor.chosen.begin(), tensor.chosen.end(), [&tensor](int32_t row) { return isWithin(row, 0, tensor.period - 1); });
  }

  const Model& m;
  /// Of an assistant: the model whose keys it reads.
  const Model* large_;
  std::string wrong_;
};

/// Returns true if the tensor has this many numbers of 16 or 32 bits, which are adjacent in its file.
inline bool isPlain(const Tensor& tensor, int64_t numbers) { return isNumber(tensor.type) && !tensor.isCopied() && isWithin(numbers, 1, MAX_NUMBERS) && tensor.bytes == numbers * sizeOf(tensor.type) && isWithin(tensor.offset, 0, MAX_BYTES); }

inline std::string wrongModel(const Model& model) { return ModelCheck(model).wrong(); }

/// Returns the number of pages up to the highest one that a step uses. The step must have passed
/// `wrongStep`.
inline int pagesOf(const Model& model, const Step& step) {
  const int written = *std::max_element(step.places.begin(), step.places.end()) / model.pageTokens;
  return std::max(written, *std::max_element(step.tables.begin(), step.tables.end())) + 1;
}

inline bool hasStates(const Model& model) {
  return std::any_of(model.layers.begin(), model.layers.end(), [](const Layer& layer) { return layer.delta.has_value(); });
}

/// Returns the number of state slots up to the highest one that a step writes. The step must have
/// passed `wrongStep`.
inline int statesOf(const Model& model, const Step& step) { return hasStates(model) ? *std::max_element(step.states.begin(), step.states.end()) + 1 : 0; }

/// Returns the error of a step's state slots, or an empty text. Two rows must not share a state: one
/// sequence would change the answer of another, and both would be computed at the same time.
inline std::string wrongStates(const Model& model, const Step& step) {
  const size_t rows = step.tables.size() / step.tableWidth;
  if (step.states.size() != 2 * rows) return "the step has not two state slots for each row";
  std::vector<bool> isWritten(model.states), isSeen(rows);
  const auto runs = step.runs();
  for (const Run& run : runs) {
    const int read = step.states[2 * run.row], write = step.states[2 * run.row + 1];
    if (isSeen[run.row]) return "the tokens of a row do not follow one another";
    isSeen[run.row] = true;
    for (int t = run.first + 1; t < run.first + run.tokens; t++)
      if (step.positions[t] != step.positions[t - 1] + 1) return "the tokens of a row do not follow one another";
    if (!isWithin(write, 0, model.states - 1) || !isWithin(read, NO_STATE, model.states - 1)) return "a state is not a slot";
    if (isWritten[write]) return "two rows write to the same state";
    isWritten[write] = true;
  }
  for (const Run& run : runs) {
    const int read = step.states[2 * run.row], write = step.states[2 * run.row + 1];
    if (read != NO_STATE && read != write && isWritten[read]) return "a row reads a state that another row writes";
  }
  return "";
}

/// Returns the error of states that are moved on, or an empty text. `stepped` is the number of tokens of
/// the last step. A token that belonged to two states would be computed at the same time for both.
inline std::string wrongAdvance(const Model& model, const Advance& advance, size_t stepped) {
  const size_t count = advance.slots.size();
  if (advance.firsts.size() != count || advance.counts.size() != count) return "the lists of the states differ in length";
  const int64_t kept = std::min<int64_t>(stepped, model.keptTokens), slots = hasStates(model) ? model.states : 0;
  std::vector<bool> isAdvanced(slots);
  int64_t end = 0;
  for (size_t i = 0; i < count; i++) {
    const int64_t slot = advance.slots[i], first = advance.firsts[i], tokens = advance.counts[i];
    if (!isWithin(slot, 0, slots - 1) || isAdvanced[slot]) return "a state is not a slot, or is advanced twice";
    if (first < end || tokens < 1 || first + tokens > kept) return "the tokens by which a state is advanced were not kept";
    isAdvanced[slot] = true;
    end = first + tokens;
  }
  return "";
}

/// Returns the error of units that are to be copied, or an empty text if all are inside the cache.
inline std::string wrongUnits(const Model& model, const Units& units) {
  const auto all = [](const std::vector<int32_t>& list, int most) { return std::all_of(list.begin(), list.end(), [most](int32_t unit) { return isWithin(unit, 0, most - 1); }); };
  if (units.pages.size() > static_cast<size_t>(model.pages) || !all(units.pages, model.pages)) return "a page is not in the cache";
  if (units.states.size() > static_cast<size_t>(model.states) || !all(units.states, hasStates(model) ? model.states : 0)) return "a state is not a slot";
  return "";
}

/// Returns the error of a step without its state slots, or an empty text.
inline std::string wrongTokens(const Model& model, const Step& step) {
  const size_t tokens = step.tokens.size();
  if (tokens > static_cast<size_t>(model.maxTokens)) return "the step has too many tokens";
  if (tokens == 0) return "the step has no tokens";
  if (step.positions.size() != tokens || step.places.size() != tokens || step.rows.size() != tokens || step.ends.size() != tokens) return "the lists of the step differ in length";
  if (step.ropeAngles.size() != static_cast<size_t>(model.ropes) * tokens * model.headDim) return "the number of rope angles does not fit the tokens";
  const int64_t width = step.tableWidth, cacheTokens = int64_t{model.pages} * model.pageTokens;
  if (!isWithin(width, 1, model.pages) || step.tables.size() % width != 0) return "the length of the tables is not a multiple of their width";
  const auto all = [](const std::vector<int32_t>& list, int64_t below) { return std::all_of(list.begin(), list.end(), [below](int32_t value) { return value >= 0 && value < below; }); };
  if (!all(step.tokens, model.vocabulary)) return "a token is not in the vocabulary";
  for (size_t t = 0; t < tokens; t++)
    if (step.ends[t] <= step.positions[t] || step.ends[t] > width * model.pageTokens) return "a token attends to positions outside of its sequence's pages";
  if (!all(step.imageTokens, tokens) || std::adjacent_find(step.imageTokens.begin(), step.imageTokens.end(), std::greater_equal<int32_t>()) != step.imageTokens.end()) return "tokens of images must be tokens of the step, in rising order";
  if (step.imageEmbeddings.size() != step.imageTokens.size() * static_cast<size_t>(model.imageNumbers())) return "the embeddings of images have not the size of their tokens";
  if (!all(step.places, cacheTokens)) return "a place is outside of the cache";
  if (!all(step.tables, model.pages)) return "a page is not in the cache";
  if (!all(step.rows, step.tables.size() / width)) return "a row is not in the tables";
  if (!all(step.positions, width * model.pageTokens)) return "a position is outside of its sequence’s pages";
  if (!all(step.outputs, tokens) || std::adjacent_find(step.outputs.begin(), step.outputs.end(), std::greater_equal<int32_t>()) != step.outputs.end())
    return "outputs must be tokens of the step, in rising order";
  return "";
}

/// Returns the error of a step, or an empty text if all of its reads and writes stay inside the
/// model's memory. The model must have passed `wrongModel`.
inline std::string wrongStep(const Model& model, const Step& step) {
  std::string wrong = wrongTokens(model, step);
  return wrong.empty() && hasStates(model) ? wrongStates(model, step) : wrong;
}

/// Returns the error of a step that is expected after another one, or an empty text. Its tokens are the most likely
/// ones of that step, so it has one for each output.
inline std::string wrongExpected(const Model& model, const Step& step, const Step& expected) {
  if (std::string wrong = wrongStep(model, expected); !wrong.empty()) return wrong;
  const size_t tokens = expected.tokens.size();
  if (tokens != step.outputs.size() || tokens != expected.outputs.size()) return "the expected step has not one token, with an output, for each output of the step before it";
  if (expected.wantsLogits || !expected.imageTokens.empty()) return "an expected step has no logits and no images";
  return "";
}

/// Returns the error of a draft, or an empty text. `kept` is the number of states that the engine kept
/// of the pass that the draft follows.
inline std::string wrongDraft(const Model& model, const DraftStep& draft, size_t kept) {
  if (!model.drafts()) return "the model has no draft head";
  if (std::string wrong = wrongTokens(model, draft.step); !wrong.empty()) return wrong;
  if (draft.before.size() != draft.step.tokens.size()) return "the lists of the draft differ in length";
  for (const int32_t index : draft.before)
    if (!isWithin(index, 0, static_cast<int64_t>(kept) - 1)) return "a state was not kept";
  if (!draft.step.imageTokens.empty() || draft.step.outputs.empty()) return "a draft has no images, and outputs";
  return "";
}

}  // namespace dinf::checks
