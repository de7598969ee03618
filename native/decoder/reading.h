// Converts JavaScript values to the structs of model.h. A value of an unexpected type produces an
// error that names the field. The code does not assume that the caller is this project's
// TypeScript.
#pragma once

#include <napi.h>

#include <cmath>

#include "model.h"

namespace dinf::reading {

/// Reads the fields of a JavaScript object. The first field of a wrong type is reported in `wrong`;
/// all fields read after that return an empty value or zero.
class Fields {
 public:
  Fields(const Napi::Value& value, const char* name, std::string& wrong) : wrong_(wrong) {
    if (wrong_.empty() && (value.IsEmpty() || !value.IsObject())) fail(name, "an object");
    if (wrong_.empty()) object_ = value.As<Napi::Object>();
  }

  int integer(const char* name) const { return static_cast<int>(whole(name, INT32_MAX)); }
  int64_t whole(const char* name, int64_t most = int64_t{1} << 53) const {
    const double value = number(name);
    if (std::trunc(value) == value && std::fabs(value) <= static_cast<double>(most)) return static_cast<int64_t>(value);
    fail(name, "a whole number");
    return 0;
  }
  double number(const char* name) const {
    const Napi::Value value = get(name);
    if (!value.IsEmpty() && value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
    fail(name, "a number");
    return 0;
  }
  bool flag(const char* name) const {
    const Napi::Value value = get(name);
    if (!value.IsEmpty() && value.IsBoolean()) return value.As<Napi::Boolean>().Value();
    fail(name, "a boolean");
    return false;
  }
  std::string text(const char* name) const {
    const Napi::Value value = get(name);
    if (!value.IsEmpty() && value.IsString()) return value.As<Napi::String>().Utf8Value();
    fail(name, "a string");
    return "";
  }
  bool has(const char* name) const {
    const Napi::Value value = get(name);
    return !value.IsEmpty() && value.IsObject();
  }
  bool hasNumber(const char* name) const {
    const Napi::Value value = get(name);
    return !value.IsEmpty() && value.IsNumber();
  }
  Fields object(const char* name) const { return Fields(get(name), name, wrong_); }
  uint32_t length(const char* name) const {
    const Napi::Value value = get(name);
    if (!value.IsEmpty() && value.IsArray()) return value.As<Napi::Array>().Length();
    fail(name, "an array");
    return 0;
  }
  Fields at(const char* name, uint32_t index) const {
    const Napi::Value value = get(name);
    return Fields(value.IsEmpty() || !value.IsArray() ? Napi::Value() : withoutException(value.As<Napi::Array>().Get(index)), name, wrong_);
  }
  bool areSame(const char* one, const char* other) const {
    const Napi::Value first = get(one), second = get(other);
    return !first.IsEmpty() && !second.IsEmpty() && first.StrictEquals(second);
  }
  /// Copies an Int32Array or a Float32Array, because JavaScript could change or detach the original
  /// while the engine's thread reads it.
  template <class T>
  std::vector<T> list(const char* name) const {
    const Napi::Value value = get(name);
    constexpr bool isBytes = std::is_same_v<T, uint8_t>;
    constexpr napi_typedarray_type type = isBytes ? napi_uint8_array : std::is_same_v<T, float> ? napi_float32_array : napi_int32_array;
    if (value.IsEmpty() || !value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
      fail(name, isBytes ? "an array of bytes" : "a typed array of 32-bit numbers");
      return {};
    }
    const auto array = value.As<Napi::TypedArrayOf<T>>();
    const T* data = const_cast<Napi::TypedArrayOf<T>&>(array).Data();
    return data == nullptr ? std::vector<T>() : std::vector<T>(data, data + array.ElementLength());
  }
  void fail(const char* name, const char* wanted) const {
    if (wrong_.empty()) wrong_ = std::string(name) + " must be " + wanted;
  }

 private:
  Napi::Value get(const char* name) const { return wrong_.empty() ? withoutException(object_.Get(name)) : Napi::Value(); }
  /// If a getter of the caller's object throws, the exception is cleared and the field counts as
  /// missing.
  Napi::Value withoutException(const Napi::Value& value) const {
    const Napi::Env env = object_.Env();
    if (!env.IsExceptionPending()) return value;
    env.GetAndClearPendingException();
    return Napi::Value();
  }

  Napi::Object object_;
  std::string& wrong_;
};

inline Tensor tensor(const Fields& from) {
  const std::string type = from.text("type");
  if (type != "F32" && type != "F16" && type != "BF16" && type != "U32" && type != "U8") from.fail("type", "F32, F16, BF16, U32 or U8");
  Tensor made;
  made.file = from.text("file");
  made.offset = from.whole("offset");
  made.bytes = from.whole("bytes");
  made.type = type == "F16" ? Type::f16 : type == "BF16" ? Type::bf16 : type == "U32" ? Type::u32 : type == "U8" ? Type::u8 : Type::f32;
  if (from.has("rows")) {
    const Fields rows = from.object("rows");
    made.rowBytes = rows.whole("bytes");
    made.period = rows.whole("period");
    made.chosen = rows.list<int32_t>("of");
  }
  if (from.has("turned")) {
    const Fields turned = from.object("turned");
    made.turned = {turned.whole("rows"), turned.whole("across"), turned.whole("first"), turned.whole("columns")};
  }
  return made;
}

inline std::optional<Tensor> maybeTensor(const Fields& from, const char* name) { return from.has(name) ? std::optional(tensor(from.object(name))) : std::nullopt; }

inline Matrix matrix(const Fields& from) {
  Matrix m;
  m.out = from.integer("out");
  m.in = from.integer("in");
  m.count = from.integer("count");
  m.weight = tensor(from.object("weight"));
  m.bias = maybeTensor(from, "bias");
  if (from.has("quantized")) {
    const Fields quantized = from.object("quantized");
    m.bits = quantized.integer("bits");
    m.group = quantized.integer("group");
    m.scales = tensor(quantized.object("scales"));
    m.mxfp4 = !quantized.has("biases");
    if (!m.mxfp4) m.biases = tensor(quantized.object("biases"));
  }
  return m;
}

inline std::optional<Matrix> maybeMatrix(const Fields& from, const char* name) { return from.has(name) ? std::optional(matrix(from.object(name))) : std::nullopt; }

inline Delta delta(const Fields& shape, const Fields& weights) {
  Delta d;
  d.keyHeads = shape.integer("keyHeads");
  d.valueHeads = shape.integer("valueHeads");
  d.keyDim = shape.integer("keyDim");
  d.valueDim = shape.integer("valueDim");
  d.convolution = shape.integer("convolution");
  d.write = matrix(weights.object("write"));
  d.fade = matrix(weights.object("fade"));
  d.fadeBias = tensor(weights.object("fadeBias"));
  d.fadeRate = tensor(weights.object("fadeRate"));
  d.factors = tensor(weights.object("convolution"));
  d.norm = tensor(weights.object("norm"));
  return d;
}

inline SharedExpert sharedExpert(const Fields& mlp, const Fields& weights) { return {mlp.object("shared").integer("width"), matrix(weights.object("gate")), matrix(weights.object("up")), matrix(weights.object("down")), maybeMatrix(weights, "share")}; }

inline Routing routing(const Fields& shape) {
  Routing r;
  r.experts = shape.integer("experts");
  r.perToken = shape.integer("perToken");
  r.normalised = shape.flag("normalised");
  r.usesSigmoid = shape.flag("usesSigmoid");
  r.shareScale = static_cast<float>(shape.number("shareScale"));
  if (shape.has("groups")) {
    const Fields groups = shape.object("groups");
    r.groups = groups.integer("count");
    r.chosenGroups = groups.integer("chosen");
  }
  return r;
}

inline ExpertsBeside expertsBeside(const Fields& shape, const Fields& weights) {
  ExpertsBeside b;
  const Fields mlp = weights.object("mlp");
  b.width = shape.integer("width");
  b.routing = routing(shape);
  b.gate = matrix(mlp.object("gate"));
  b.up = matrix(mlp.object("up"));
  b.down = matrix(mlp.object("down"));
  b.router = matrix(mlp.object("router"));
  b.inputNorm = tensor(weights.object("inputNorm"));
  b.outputNorm = tensor(weights.object("outputNorm"));
  b.denseOutputNorm = tensor(weights.object("denseOutputNorm"));
  b.routerNorm = tensor(weights.object("routerNorm"));
  b.shareScales = tensor(weights.object("shareScales"));
  return b;
}

inline PerLayerEmbedding perLayerEmbedding(const Fields& shape, const Fields& weights) {
  return {shape.integer("width"), static_cast<float>(shape.number("embeddingScale")), static_cast<float>(shape.number("projectionScale")), matrix(weights.object("embedding")), matrix(weights.object("projection")), tensor(weights.object("norm"))};
}

inline Layer layer(const Fields& shape, const Fields& weights) {
  Layer l;
  const Fields mlp = shape.object("mlp"), of = weights.object("mlp");
  l.rope = shape.integer("rope");
  l.window = shape.integer("window");
  l.width = mlp.integer("width");
  if (of.has("router")) {
    l.routing = routing(mlp);
    l.choiceBias = maybeTensor(of, "choiceBias");
    l.router = matrix(of.object("router"));
    if (of.has("shared")) l.shared = sharedExpert(mlp, of.object("shared"));
  }
  l.q = matrix(weights.object("q"));
  l.kvHeads = shape.integer("kvHeads");
  l.headDim = shape.integer("headDim");
  if (shape.hasNumber("keysOf")) l.keysOf = shape.integer("keysOf");
  else l.k = matrix(weights.object("k"));
  l.keysAreValues = l.keysOf == NO_LAYER && !weights.has("v");
  if (weights.has("v")) l.v = matrix(weights.object("v"));
  l.o = matrix(weights.object("o"));
  l.outputGate = maybeMatrix(weights, "outputGate");
  if (weights.has("delta")) l.delta = delta(shape.object("delta"), weights.object("delta"));
  l.gate = matrix(of.object("gate"));
  l.up = matrix(of.object("up"));
  l.down = matrix(of.object("down"));
  l.inputNorm = maybeTensor(weights, "inputNorm");
  l.mlpNorm = maybeTensor(weights, "mlpNorm");
  l.sinks = maybeTensor(weights, "sinks");
  l.qNorm = maybeTensor(weights, "qNorm");
  l.kNorm = maybeTensor(weights, "kNorm");
  l.attentionNorm = maybeTensor(weights, "attentionNorm");
  l.mlpOutputNorm = maybeTensor(weights, "mlpOutputNorm");
  if (weights.has("expertsBeside")) l.beside = expertsBeside(shape.object("expertsBeside"), weights.object("expertsBeside"));
  if (weights.has("perLayer")) {
    const Fields own = weights.object("perLayer");
    l.perLayer = {matrix(own.object("gate")), matrix(own.object("projection")), tensor(own.object("norm"))};
  }
  l.scale = maybeTensor(weights, "scale");
  return l;
}

inline Head head(const Fields& shape, const Fields& weights) { return {tensor(weights.object("embeddingNorm")), tensor(weights.object("hiddenNorm")), tensor(weights.object("norm")), matrix(weights.object("join")), layer(shape, weights.object("layer"))}; }

inline Activation activation(const Fields& shape) {
  const std::string name = shape.text("activation");
  if (name != "silu" && name != "gelu_tanh" && name != "clamped_silu") shape.fail("activation", "silu, gelu_tanh or clamped_silu");
  return name == "gelu_tanh" ? Activation::gelu : name == "clamped_silu" ? Activation::clampedSilu : Activation::silu;
}

/// Reads what a shape says about all layers.
inline Model shapeOf(const Fields& shape) {
  Model m;
  m.vocabulary = shape.integer("vocabulary");
  m.hidden = shape.integer("hidden");
  m.heads = shape.integer("heads");
  m.headDim = shape.integer("headDim");
  m.ropes = static_cast<int>(shape.length("ropes"));
  m.normEps = static_cast<float>(shape.number("normEps"));
  m.embeddingScale = static_cast<float>(shape.number("embeddingScale"));
  m.attentionScale = static_cast<float>(shape.number("attentionScale"));
  m.logitSoftcap = static_cast<float>(shape.number("logitSoftcap"));
  m.outputScale = static_cast<float>(shape.number("outputScale"));
  m.normPlusOne = shape.flag("normPlusOne");
  m.normsWholeProjections = shape.text("qkNorm") == "projections";
  m.valueNorm = shape.flag("valueNorm");
  m.attendsBothWays = shape.flag("attendsBothWays");
  m.globalIsCausal = shape.flag("globalIsCausal");
  m.returnsStates = shape.flag("returnsStates");
  m.imageLayers = shape.integer("imageLayers");
  m.activation = activation(shape);
  m.activationLimit = static_cast<float>(shape.number("activationLimit"));
  return m;
}

inline std::vector<Layer> layersOf(const Fields& shape, const Fields& weights, const std::string& wrong) {
  std::vector<Layer> layers;
  const uint32_t count = weights.length("layers");
  if (shape.length("layers") != count) shape.fail("layers", "as many as the layers with weights");
  for (uint32_t i = 0; i < count && wrong.empty(); i++) layers.push_back(layer(shape.at("layers", i), weights.at("layers", i)));
  return layers;
}

inline Assistant assistant(const Fields& from, const std::string& wrong) {
  const Fields shape = from.object("shape"), weights = from.object("weights");
  Assistant a{shapeOf(shape), matrix(weights.object("join")), matrix(weights.object("back")), std::nullopt};
  a.model.layers = layersOf(shape, weights, wrong);
  a.model.norm = tensor(weights.object("norm"));
  a.model.lmHead = matrix(weights.object("lmHead"));
  if (weights.has("groups")) {
    const Fields groups = weights.object("groups");
    a.groups = {groups.integer("chosen"), matrix(groups.object("scores")), groups.list<int32_t>("tokens")};
  }
  return a;
}

/// Converts a model. If the value is invalid, `wrong` holds the error message.
inline Model model(const Napi::Value& value, std::string& wrong) {
  const Fields from(value, "model", wrong), shape = from.object("shape"), weights = from.object("weights");
  Model m = shapeOf(shape);
  m.tied = weights.areSame("lmHead", "embedding");
  m.embedding = matrix(weights.object("embedding"));
  m.lmHead = matrix(weights.object("lmHead"));
  m.norm = tensor(weights.object("norm"));
  if (weights.has("perLayer")) m.perLayer = perLayerEmbedding(shape.object("perLayer"), weights.object("perLayer"));
  m.layers = layersOf(shape, weights, wrong);
  if (weights.has("head")) m.head = head(shape.object("head"), weights.object("head"));
  m.pages = from.integer("pages");
  m.states = from.integer("states");
  m.pageTokens = from.integer("pageTokens");
  m.maxTokens = from.integer("maxTokens");
  m.keptTokens = from.integer("keptTokens");
  m.threads = from.integer("threads");
  m.fine = from.flag("fine");
  if (from.has("assistant")) {
    Assistant made = assistant(from.object("assistant"), wrong);
    Model& own = made.model;
    own.pages = m.pages;
    own.pageTokens = m.pageTokens;
    own.maxTokens = m.maxTokens;
    own.threads = m.threads;
    own.fine = m.fine;
    m.assistant = std::make_shared<const Assistant>(std::move(made));
  }
  return m;
}

/// Converts a step. If the value is invalid, `wrong` holds the error message.
inline Step step(const Napi::Value& value, std::string& wrong) {
  const Fields from(value, "step", wrong);
  return {from.list<int32_t>("tokens"), from.list<int32_t>("positions"), from.list<int32_t>("places"), from.list<int32_t>("rows"), from.list<int32_t>("tables"), from.list<int32_t>("states"),
          from.list<int32_t>("outputs"), from.list<float>("ropeAngles"), from.integer("tableWidth"), from.flag("wantsLogits"), from.list<int32_t>("ends"), from.list<int32_t>("imageTokens"), from.list<float>("imageEmbeddings")};
}

/// Converts a pass through the draft head. If the value is invalid, `wrong` holds the error message.
inline DraftStep draft(const Napi::Value& value, std::string& wrong) {
  const Fields from(value, "draft", wrong);
  return {step(value, wrong), from.list<int32_t>("before"), from.flag("isChained")};
}

/// Converts the states that are moved on. If the value is invalid, `wrong` holds the error message.
inline Advance advance(const Napi::Value& value, std::string& wrong) {
  const Fields from(value, "advance", wrong);
  return {from.list<int32_t>("slots"), from.list<int32_t>("firsts"), from.list<int32_t>("counts")};
}

/// Converts the pages and state slots of a copy. If the value is invalid, `wrong` holds the error message.
inline Units units(const Napi::Value& value, std::string& wrong) {
  const Fields from(value, "units", wrong);
  return {from.list<int32_t>("pages"), from.list<int32_t>("states")};
}

/// Copies an array of bytes. If the value is invalid, `wrong` holds the error message.
inline UnitBytes bytes(const Napi::Value& value, std::string& wrong) {
  if (!wrong.empty()) return {};
  if (value.IsEmpty() || !value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    wrong = "bytes must be an array of bytes";
    return {};
  }
  const auto array = value.As<Napi::Uint8Array>();
  return {std::vector<uint8_t>(array.Data(), array.Data() + array.ByteLength())};
}

}  // namespace dinf::reading
