#include "engine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace dinf::mlx {

/// Maximum size of the free buffers that MLX keeps for the next step, in bytes.
constexpr size_t CACHE_BYTES = size_t{1} << 30;
/// The cache grows and shrinks by blocks of this many pages, because each change copies the whole
/// cache.
constexpr int BLOCK_PAGES = 16;

std::string device() { return mx::default_device() == mx::Device::gpu ? "Metal" : "MLX on the processor"; }

std::string mismatch() {
  const std::string built = std::to_string(MLX_VERSION_MAJOR) + "." + std::to_string(MLX_VERSION_MINOR) + "." + std::to_string(MLX_VERSION_PATCH);
  const std::string found = mx::version();
  return found.rfind(built, 0) == 0 ? "" : "the addon was built for MLX " + built + ", but the installed version is " + found;
}

MlxEngine::~MlxEngine() {
  assistant_.reset();
  ahead_.reset();
  layers_.clear();
  embedding_ = lmHead_ = perLayerEmbedding_ = perLayerProjection_ = join_ = back_ = groupScores_ = Weights{};
  for (mx::array* array : {&norm_, &perLayerNorm_, &joinedEmbeddingNorm_, &joinedHiddenNorm_, &headNorm_, &steppedStates_, &draftedStates_}) *array = mx::array(0.0f);
  mx::synchronize();
  mx::clear_cache();
#if MLX_VERSION_NUMERIC >= 31002
  if (!large_) mx::clear_streams();
#endif
}

mx::array MlxEngine::read(const Tensor& tensor, const mx::Shape& shape, mx::Dtype as) {
  const uint8_t* bytes = files_.bytes(tensor);
  if (!bytes) throw std::runtime_error("a file of the model is missing or has become shorter");
  switch (tensor.type) {
    case Type::f32: return mx::astype(mx::array(reinterpret_cast<const float*>(bytes), shape, mx::float32), as);
    case Type::f16: return mx::astype(mx::array(reinterpret_cast<const mx::float16_t*>(bytes), shape, mx::float16), as);
    case Type::bf16: return mx::astype(mx::array(reinterpret_cast<const mx::bfloat16_t*>(bytes), shape, mx::bfloat16), as);
    case Type::u8: return mx::array(bytes, shape, mx::uint8);
    case Type::u32: break;
  }
  return mx::array(reinterpret_cast<const uint32_t*>(bytes), shape, mx::uint32);
}

MlxEngine::Weights MlxEngine::read(const Matrix& matrix, bool isStacked) {
  const auto shape = [&](int width) { return isStacked ? mx::Shape{matrix.count, matrix.out, width} : mx::Shape{matrix.out, width}; };
  Weights weights;
  weights.bits = matrix.bits;
  weights.group = matrix.group;
  weights.mxfp4 = matrix.mxfp4;
  if (matrix.bits == 0) weights.weight = read(matrix.weight, shape(matrix.in), type_);
  else if (matrix.mxfp4) {
    const bool isBytes = matrix.weight.type == Type::u8;
    const auto codes = read(matrix.weight, shape(matrix.in / (isBytes ? 2 : 8)), mx::uint32);
    weights.weight = isBytes ? mx::view(codes, mx::uint32) : codes;
    weights.scales = read(matrix.scales, shape(matrix.in / matrix.group), mx::uint8);
  } else {
    weights.weight = read(matrix.weight, shape(matrix.in * matrix.bits / 32), mx::uint32);
    weights.scales = read(matrix.scales, shape(matrix.in / matrix.group), type_);
    weights.biases = read(matrix.biases, shape(matrix.in / matrix.group), type_);
  }
  if (matrix.bias) weights.bias = read(*matrix.bias, isStacked ? mx::Shape{matrix.count, matrix.out} : mx::Shape{matrix.out}, type_);
  std::vector<mx::array> all{weights.weight};
  for (const auto* part : {&weights.scales, &weights.biases, &weights.bias})
    if (*part) all.push_back(**part);
  mx::eval(all);
  for (const auto& part : all) memory_ += part.nbytes();
  return weights;
}

mx::array MlxEngine::norm(const Tensor& tensor) {
  auto weight = read(tensor, mx::Shape{static_cast<int>(tensor.bytes / (tensor.type == Type::f32 ? 4 : 2))}, mx::float32);
  if (model_.normPlusOne) weight = weight + mx::array(1.0f);
  weight = mx::astype(weight, type_);
  mx::eval(weight);
  return weight;
}

std::optional<mx::array> MlxEngine::norm(const std::optional<Tensor>& tensor) { return tensor ? std::optional(norm(*tensor)) : std::nullopt; }

MlxEngine::LayerOf MlxEngine::read(const Layer& layer) {
  LayerOf of;
  of.shape = &layer;
  of.q = read(layer.q);
  if (layer.keysOf == NO_LAYER) of.k = read(layer.k);
  if (layer.keysOf == NO_LAYER && !layer.keysAreValues) of.v = read(layer.v);
  of.o = read(layer.o);
  const bool isStacked = layer.router.has_value();
  of.gate = read(layer.gate, isStacked);
  of.up = read(layer.up, isStacked);
  of.down = read(layer.down, isStacked);
  if (layer.router) of.router = read(*layer.router);
  if (layer.outputGate) of.outputGate = read(*layer.outputGate);
  if (const auto& shared = layer.shared) {
    of.sharedGate = read(shared->gate);
    of.sharedUp = read(shared->up);
    of.sharedDown = read(shared->down);
    if (shared->share) of.share = read(*shared->share);
  }
  if (const auto& delta = layer.delta) {
    of.write = read(delta->write);
    of.fade = read(delta->fade);
    of.fadeBias = read(delta->fadeBias, mx::Shape{delta->valueHeads}, mx::float32);
    of.fadeRate = read(delta->fadeRate, mx::Shape{delta->valueHeads}, mx::float32);
    of.factors = mx::contiguous(mx::transpose(read(delta->factors, mx::Shape{delta->channels(), delta->convolution}, mx::float32)));
    of.deltaNorm = read(delta->norm, mx::Shape{delta->valueDim}, mx::float32);
    mx::eval({*of.fadeBias, *of.fadeRate, *of.factors, *of.deltaNorm});
  }
  of.inputNorm = norm(layer.inputNorm);
  of.mlpNorm = norm(layer.mlpNorm);
  if (layer.choiceBias) {
    of.choiceBias = read(*layer.choiceBias, mx::Shape{layer.routing.experts}, mx::float32);
    mx::eval(*of.choiceBias);
  }
  if (layer.sinks) of.sinks = read(*layer.sinks, mx::Shape{model_.heads}, type_);
  of.qNorm = norm(layer.qNorm);
  of.kNorm = norm(layer.kNorm);
  of.attentionNorm = norm(layer.attentionNorm);
  of.mlpOutputNorm = norm(layer.mlpOutputNorm);
  if (const auto& beside = layer.beside) {
    of.besideGate = read(beside->gate, true);
    of.besideUp = read(beside->up, true);
    of.besideDown = read(beside->down, true);
    of.besideRouter = read(beside->router);
    of.besideInputNorm = norm(beside->inputNorm);
    of.besideOutputNorm = norm(beside->outputNorm);
    of.denseOutputNorm = norm(beside->denseOutputNorm);
    of.routerNorm = mx::astype(read(beside->routerNorm, mx::Shape{model_.hidden}, mx::float32) / mx::array(std::sqrt(static_cast<float>(model_.hidden))), type_);
    of.shareScales = read(beside->shareScales, mx::Shape{beside->routing.experts}, mx::float32);
    mx::eval({*of.routerNorm, *of.shareScales});
  }
  if (const auto& own = layer.perLayer) {
    of.perLayerGate = read(own->gate);
    of.perLayerProjection = read(own->projection);
    of.perLayerNorm = norm(own->norm);
  }
  if (layer.scale) {
    of.scale = read(*layer.scale, mx::Shape{1}, type_);
    mx::eval(*of.scale);
  }
  files_.forget();
  return of;
}

int64_t MlxEngine::cacheBytes() const {
  int64_t bytes = 0;
  for (const LayerOf& layer : layers_) {
    if (layer.shape->delta) bytes += states_ * layer.shape->delta->stateNumbers() * sizeof(float);
    else if (layer.shape->hasKeys()) bytes += layer.keys.nbytes() + layer.values.nbytes();
  }
  return bytes;
}

void MlxEngine::resizeStates(int slots) {
  for (LayerOf& layer : layers_)
    if (layer.shape->delta)
      for (auto* list : {&layer.memories, &layer.inputs}) list->resize(slots, mx::array(0.0f));
  states_ = slots;
}

void MlxEngine::resizeCache(int pages) {
  const int rows = pages * model_.pageTokens, kept = std::min(rows, cachePages_ * model_.pageTokens);
  // The layers are copied one after the other, so that only one of them is in memory twice.
  for (LayerOf& layer : layers_) {
    if (!layer.shape->hasKeys()) continue;
    const int heads = layer.shape->kvHeads, headDim = layer.shape->headDim;
    const mx::Shape shape{heads, rows, headDim}, start{0, 0, 0}, end{heads, kept, headDim};
    for (mx::array* cache : {&layer.keys, &layer.values}) {
      const auto fresh = mx::zeros(shape, type_);
      *cache = kept == 0 ? fresh : mx::slice_update(fresh, mx::slice(*cache, start, end), start, end);
      mx::eval(*cache);
    }
  }
  cachePages_ = pages;
  mx::clear_cache();
}

static int wholeBlocks(int pages, int most) { return std::min(most, (pages + BLOCK_PAGES - 1) / BLOCK_PAGES * BLOCK_PAGES); }

void MlxEngine::growCache(int pages) {
  // It grows by at least half of its size, so that it is not copied for every new block of pages.
  if (pages > cachePages_) resizeCache(wholeBlocks(std::max(pages, cachePages_ + cachePages_ / 2), model_.pages));
}

std::string MlxEngine::keep(int pages, int states) try {
  ahead_.reset();
  if (states < states_) {
    resizeStates(states);
    mx::clear_cache();
  }
  const int wanted = wholeBlocks(std::max(1, pages), model_.pages);
  if (wanted < cachePages_) resizeCache(wanted);
  return "";
} catch (const std::exception& error) {
  return error.what();
}

std::string MlxEngine::load(const Model& model) try {
  if (const std::string wrong = mismatch(); !wrong.empty()) return wrong;
  model_ = model;
#if MLX_VERSION_NUMERIC < 29000
  for (const Layer& layer : model.layers)
    if (layer.sinks || layer.gate.mxfp4) return "gpt-oss needs MLX 0.29 or later";
#endif
  mx::set_cache_limit(CACHE_BYTES);
  // On Metal, the engine computes in the number format of the model's weights. On a processor it
  // computes in 32 bits, because 16-bit arithmetic is slow and inexact there.
  if (mx::default_device() == mx::Device::gpu) {
    const Type stored = model.embedding.bits ? model.embedding.scales.type : model.embedding.weight.type;
    type_ = stored == Type::f16 ? mx::float16 : stored == Type::bf16 ? mx::bfloat16 : mx::float32;
  }
  embedding_ = read(model_.embedding);
  lmHead_ = model_.tied ? embedding_ : read(model_.lmHead);
  norm_ = norm(model_.norm);
  if (model_.outputScale != 1) {
    norm_ = norm_ * mx::array(model_.outputScale, type_);
    mx::eval(norm_);
  }
  if (const auto& perLayer = model_.perLayer) {
    perLayerEmbedding_ = read(perLayer->embedding);
    perLayerProjection_ = read(perLayer->projection);
    perLayerNorm_ = read(perLayer->norm, mx::Shape{perLayer->width}, type_);
    mx::eval(perLayerNorm_);
  }
  for (const Layer& layer : model_.layers) layers_.push_back(read(layer));
  if (const auto& head = model_.head) {
    layers_.push_back(read(head->layer));
    join_ = read(head->join);
    joinedEmbeddingNorm_ = norm(head->embeddingNorm);
    joinedHiddenNorm_ = norm(head->hiddenNorm);
    headNorm_ = norm(head->norm);
  }
  if (model_.assistant) {
    assistant_ = std::make_unique<MlxEngine>();
    assistant_->loadAssistant(*model_.assistant, *this);
    memory_ += assistant_->memory_;
  }
  resizeCache(wholeBlocks(1, model_.pages));
  return "";
} catch (const std::exception& error) {
  return error.what();
}

/// Returns the row of each token.
mx::array MlxEngine::rowsOf(const Weights& w, const mx::array& tokens) {
  const auto rows = mx::take(w.weight, tokens, 0);
  return w.bits ? mx::dequantize(rows, mx::take(*w.scales, tokens, 0), mx::take(*w.biases, tokens, 0), w.group, w.bits) : rows;
}

mx::array MlxEngine::embed(const Step& step, const mx::array& tokens) {
  const auto rows = rowsOf(embedding_, tokens);
  const auto scaled = model_.embeddingScale == 1 ? rows : rows * mx::array(model_.embeddingScale, type_);
  if (step.imageTokens.empty()) return scaled;
  return mx::scatter(scaled, listOf(step.imageTokens), ofImages(step, 0), 0);
}

mx::array MlxEngine::ofImages(const Step& step, int part) {
  const int count = step.imageTokens.size(), hidden = model_.hidden;
  const auto all = mx::array(step.imageEmbeddings.data(), mx::Shape{count, 1, static_cast<int>(model_.imageNumbers())}, mx::float32);
  return mx::astype(mx::slice(all, {0, 0, part * hidden}, {count, 1, (part + 1) * hidden}), type_);
}

mx::array MlxEngine::activate(const mx::array& gate, const mx::array& up) {
  if (model_.activation == Activation::silu) return gate * mx::sigmoid(gate) * up;
  if (model_.activation == Activation::clampedSilu) {
    const auto limit = mx::array(model_.activationLimit, type_), limited = mx::minimum(gate, limit);
    return limited * mx::sigmoid(limited * mx::array(1.702f, type_)) * (mx::clip(up, mx::negative(limit), limit) + mx::array(1.0f, type_));
  }
  const auto inner = (gate + gate * gate * gate * mx::array(0.044715f, type_)) * mx::array(0.7978845608f, type_);
  return gate * (mx::tanh(inner) + mx::array(1.0f, type_)) * mx::array(0.5f, type_) * up;
}

mx::array MlxEngine::mlp(const Weights& gate, const Weights& up, const Weights& down, const mx::array& input) { return multiply(down, activate(multiply(gate, input), multiply(up, input))); }

/// Returns the ranks of experts, infinitely low for those outside of the best groups. A group is as
/// good as its two best experts together.
static mx::array limitGroups(const Routing& routing, const mx::array& ranks) {
  if (routing.groups == 1) return ranks;
  const int tokens = ranks.shape(0), groups = routing.groups;
  const auto byGroup = mx::reshape(ranks, {tokens, groups, routing.experts / groups});
  const auto best = mx::sum(mx::topk(byGroup, 2, -1), -1);
  const auto placeOf = mx::argsort(mx::argsort(mx::negative(best), -1), -1);
  const auto isChosen = mx::expand_dims(mx::less(placeOf, mx::array(routing.chosenGroups, mx::uint32)), -1);
  return mx::reshape(mx::where(isChosen, byGroup, mx::array(-std::numeric_limits<float>::infinity())), ranks.shape());
}

mx::array MlxEngine::experts(const Routed& routed, const mx::array& scores, const mx::array& input) {
  const Routing& routing = routed.routing;
  const int tokens = input.shape(0), chosen = routing.perToken;
  const auto exact = mx::astype(scores, mx::float32), shares = routing.usesSigmoid ? mx::sigmoid(exact) : mx::softmax(exact, -1);
  const auto ranks = limitGroups(routing, routed.choiceBias ? shares + *routed.choiceBias : shares);
  const auto order = mx::slice(mx::argsort(mx::negative(ranks), -1), {0, 0}, {tokens, chosen});
  auto parts = mx::take_along_axis(shares, order, -1);
  if (routing.normalised) parts = parts / mx::sum(parts, -1, true);
  if (routed.shareScales) parts = parts * mx::take(*routed.shareScales, order);
  if (routing.shareScale != 1) parts = parts * mx::array(routing.shareScale);
  const auto picked = mx::astype(order, mx::uint32);
  const auto each = [&](const Weights& w, const mx::array& x) {
    const auto made = multiplyChosen(w, x, picked);
    return w.bias ? made + mx::reshape(mx::take(*w.bias, picked, 0), {tokens, chosen, 1, w.bias->shape(1)}) : made;
  };
  const auto x = mx::reshape(input, {tokens, 1, 1, model_.hidden});
  const auto made = each(routed.down, activate(each(routed.gate, x), each(routed.up, x)));
  return mx::sum(mx::reshape(made, {tokens, chosen, model_.hidden}) * mx::reshape(mx::astype(parts, type_), {tokens, chosen, 1}), 1);
}

mx::array MlxEngine::mlpOf(const LayerOf& layer, const mx::array& state) {
  const Layer& shape = *layer.shape;
  const auto input = normalised(state, layer.mlpNorm);
  if (shape.beside) {
    const auto dense = normalised(mlp(layer.gate, layer.up, layer.down, input), layer.denseOutputNorm);
    const auto scores = multiply(layer.besideRouter, normalised(state, layer.routerNorm));
    const auto made = experts({layer.besideGate, layer.besideUp, layer.besideDown, shape.beside->routing, layer.shareScales, layer.choiceBias}, scores, normalised(state, layer.besideInputNorm));
    return dense + normalised(made, layer.besideOutputNorm);
  }
  if (shape.routing.experts == 0) return mlp(layer.gate, layer.up, layer.down, input);
  const auto made = experts({layer.gate, layer.up, layer.down, shape.routing, layer.shareScales, layer.choiceBias}, multiply(layer.router, input), input);
  if (!shape.shared) return made;
  const auto shared = mlp(layer.sharedGate, layer.sharedUp, layer.sharedDown, input);
  return made + (shape.shared->share ? mx::sigmoid(multiply(layer.share, input)) * shared : shared);
}

/// Returns the embeddings of the step's tokens for all layers, from the state before the first one.
mx::array MlxEngine::embedForLayers(const mx::array& tokens, const mx::array& state) {
  const PerLayerEmbedding& about = *model_.perLayer;
  const mx::Shape byLayer{tokens.shape(0), static_cast<int>(layers_.size()), about.width};
  const auto projected = mx::reshape(multiply(perLayerProjection_, state) * mx::array(about.projectionScale, type_), byLayer);
  const auto found = mx::reshape(rowsOf(perLayerEmbedding_, tokens) * mx::array(about.embeddingScale, type_), byLayer);
  return (mx::fast::rms_norm(projected, perLayerNorm_, model_.normEps) + found) * mx::array(static_cast<float>(M_SQRT1_2), type_);
}

/// Returns what a layer makes of its own embeddings.
mx::array MlxEngine::fromPerLayer(const LayerOf& layer, const mx::array& state, const mx::array& all) {
  const int index = &layer - layers_.data(), tokens = all.shape(0), width = all.shape(2);
  const auto own = mx::reshape(mx::slice(all, {0, index, 0}, {tokens, index + 1, width}), {tokens, width});
  return mx::fast::rms_norm(multiply(layer.perLayerProjection, activate(multiply(layer.perLayerGate, state), own)), layer.perLayerNorm, model_.normEps);
}

std::vector<MlxEngine::Angles> MlxEngine::anglesOf(const Step& step) {
  const int tokens = step.tokens.size(), pairs = model_.headDim / 2;
  std::vector<Angles> angles;
  for (int rope = 0; rope < model_.ropes; rope++) {
    const auto all = mx::astype(mx::array(step.ropeAngles.data() + static_cast<size_t>(rope) * tokens * model_.headDim, mx::Shape{tokens, 1, 2, pairs}, mx::float32), type_);
    const auto sines = mx::slice(all, {0, 0, 1, 0}, {tokens, 1, 2, pairs});
    angles.push_back({mx::slice(all, {0, 0, 0, 0}, {tokens, 1, 1, pairs}), mx::concatenate({mx::negative(sines), sines}, 2)});
  }
  return angles;
}

MlxEngine::Pass MlxEngine::passOf(const Step& step) { return {step, Places(step.places), anglesOf(step), groups(step)}; }

mx::array MlxEngine::runLayer(LayerOf& layer, const mx::array& before, const Pass& pass) {
  const auto input = normalised(before, layer.inputNorm);
  if (layer.shape->delta) return addMixed(layer, before, delta(layer, input, pass.step, pass.groups));
  if (layer.shape->hasKeys()) storeKeys(layer, input, pass);
  return addMixed(layer, before, attention(layer, input, pass));
}

mx::array MlxEngine::runNarrowed(LayerOf& layer, const mx::array& before, const Pass& pass, const Pass& outputs) {
  storeKeys(layer, normalised(before, layer.inputNorm), pass);
  const auto wanted = mx::take(before, listOf(pass.step.outputs), 0);
  return addMixed(layer, wanted, attention(layer, normalised(wanted, layer.inputNorm), outputs));
}

mx::array MlxEngine::addMixed(const LayerOf& layer, const mx::array& before, const mx::array& mixed) {
  const auto state = before + normalised(mixed, layer.attentionNorm);
  return state + normalised(mlpOf(layer, state), layer.mlpOutputNorm);
}

std::string MlxEngine::draft(const DraftStep& draft, std::vector<int32_t>& best) try {
  growCache(checks::pagesOf(model_, draft.step));
  if (assistant_) return draftWithAssistant(draft, best);
  const auto before = mx::take(draft.isChained ? draftedStates_ : steppedStates_, listOf(draft.before), 0);
  const auto joined = mx::concatenate({normalised(embed(draft.step, listOf(draft.step.tokens)), joinedEmbeddingNorm_), normalised(before, joinedHiddenNorm_)}, -1);
  LayerOf& layer = layers_.back();
  draftedStates_ = normalised(runLayer(layer, multiply(join_, joined), passOf(draft.step)), headNorm_);
  const auto logits = mx::astype(multiply(lmHead_, mx::take(draftedStates_, listOf(draft.step.outputs), 0)), mx::float32);
  const auto tokens = mx::astype(mx::argmax(logits, -1), mx::int32);
  mx::eval({layer.keys, layer.values, draftedStates_, tokens});
  best.assign(tokens.data<int32_t>(), tokens.data<int32_t>() + draft.step.outputs.size());
  return "";
} catch (const std::exception& error) {
  return error.what();
}

}  // namespace dinf::mlx
