// A decoder's shape and where its weights lie, as TypeScript has read and checked them. Both engines load from this.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <napi.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dinf {

enum class Type { f32, f16, bf16, u32 };

struct Tensor {
  std::string file;
  int64_t offset = 0;
  int64_t bytes = 0;
  Type type = Type::f32;
};

struct Matrix {
  int out = 0;
  int in = 0;
  int count = 1;
  Tensor weight;
  /// 0 when the weight is not rounded.
  int bits = 0;
  int group = 0;
  Tensor scales;
  Tensor biases;
  std::optional<Tensor> bias;
};

struct Layer {
  int rope = 0;
  int window = 0;
  int width = 0;
  /// 0 when the MLP is one.
  int experts = 0;
  int perToken = 0;
  bool normalised = false;
  Matrix q, k, v, o, gate, up, down;
  std::optional<Matrix> router;
  Tensor inputNorm, mlpNorm;
  std::optional<Tensor> qNorm, kNorm, attentionNorm, mlpOutputNorm;
};

struct Model {
  int vocabulary, hidden, heads, kvHeads, headDim, ropes;
  float normEps, embeddingScale, attentionScale, logitSoftcap;
  bool normPlusOne, gelu, tied;
  Matrix embedding, head;
  Tensor norm;
  std::vector<Layer> layers;
  int pages, pageTokens, maxTokens, threads;
  /// Inputs of rounded matrices are rounded to 16 bits instead of 8. Only the processor's engine rounds inputs at all.
  bool fine;
};

/// One pass, flattened: see provider/engine/decoders/decoder.ts.
struct Step {
  std::vector<int32_t> tokens, positions, places, rows, tables, outputs;
  /// For each rope, for each token, its cosines and then its sines.
  std::vector<float> turns;
  int tableWidth = 0;
  bool wantsLogits = false;
};

struct StepResult {
  std::vector<int32_t> best;
  std::vector<float> logits;
};

/// A file in memory as long as somebody holds it.
class Mapping {
 public:
  static std::shared_ptr<Mapping> open(const std::string& path) {
    int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return nullptr;
    struct stat about;
    void* at = fstat(file, &about) == 0 && about.st_size > 0 ? mmap(nullptr, about.st_size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    ::close(file);
    if (at == MAP_FAILED) return nullptr;
    return std::shared_ptr<Mapping>(new Mapping(static_cast<const uint8_t*>(at), about.st_size));
  }
  ~Mapping() { munmap(const_cast<uint8_t*>(data_), size_); }
  Mapping(const Mapping&) = delete;
  const uint8_t* at(int64_t offset, int64_t bytes) const { return offset >= 0 && bytes >= 0 && offset + bytes <= size_ ? data_ + offset : nullptr; }

 private:
  Mapping(const uint8_t* data, int64_t size) : data_(data), size_(size) {}
  const uint8_t* data_;
  int64_t size_;
};

class Mappings {
 public:
  /// Null when the file is gone or shorter than it was.
  const uint8_t* bytes(const Tensor& tensor) {
    auto& file = files_[tensor.file];
    if (!file) file = Mapping::open(tensor.file);
    return file ? file->at(tensor.offset, tensor.bytes) : nullptr;
  }

 private:
  std::map<std::string, std::shared_ptr<Mapping>> files_;
};

namespace reading {

inline int integer(const Napi::Object& from, const char* name) { return from.Get(name).As<Napi::Number>().Int32Value(); }
inline float number(const Napi::Object& from, const char* name) { return from.Get(name).As<Napi::Number>().FloatValue(); }
inline bool flag(const Napi::Object& from, const char* name) { return from.Get(name).As<Napi::Boolean>().Value(); }
inline bool has(const Napi::Object& from, const char* name) { return from.Get(name).IsObject(); }
inline Napi::Object object(const Napi::Object& from, const char* name) { return from.Get(name).As<Napi::Object>(); }

inline Tensor tensor(const Napi::Object& from) {
  std::string type = from.Get("type").As<Napi::String>();
  return {from.Get("file").As<Napi::String>(), from.Get("offset").As<Napi::Number>().Int64Value(), from.Get("bytes").As<Napi::Number>().Int64Value(),
          type == "F32" ? Type::f32 : type == "F16" ? Type::f16 : type == "BF16" ? Type::bf16 : Type::u32};
}

inline std::optional<Tensor> maybeTensor(const Napi::Object& from, const char* name) {
  return has(from, name) ? std::optional(tensor(object(from, name))) : std::nullopt;
}

inline Matrix matrix(const Napi::Object& from) {
  Matrix m;
  m.out = integer(from, "out");
  m.in = integer(from, "in");
  m.count = integer(from, "count");
  m.weight = tensor(object(from, "weight"));
  m.bias = maybeTensor(from, "bias");
  if (has(from, "quantized")) {
    auto quantized = object(from, "quantized");
    m.bits = integer(quantized, "bits");
    m.group = integer(quantized, "group");
    m.scales = tensor(object(quantized, "scales"));
    m.biases = tensor(object(quantized, "biases"));
  }
  return m;
}

inline Layer layer(const Napi::Object& shape, const Napi::Object& weights) {
  Layer l;
  auto mlp = object(shape, "mlp");
  auto of = object(weights, "mlp");
  l.rope = integer(shape, "rope");
  l.window = integer(shape, "window");
  l.width = integer(mlp, "width");
  if (has(of, "router")) {
    l.experts = integer(mlp, "experts");
    l.perToken = integer(mlp, "perToken");
    l.normalised = flag(mlp, "normalised");
    l.router = matrix(object(of, "router"));
  }
  l.q = matrix(object(weights, "q"));
  l.k = matrix(object(weights, "k"));
  l.v = matrix(object(weights, "v"));
  l.o = matrix(object(weights, "o"));
  l.gate = matrix(object(of, "gate"));
  l.up = matrix(object(of, "up"));
  l.down = matrix(object(of, "down"));
  l.inputNorm = tensor(object(weights, "inputNorm"));
  l.mlpNorm = tensor(object(weights, "mlpNorm"));
  l.qNorm = maybeTensor(weights, "qNorm");
  l.kNorm = maybeTensor(weights, "kNorm");
  l.attentionNorm = maybeTensor(weights, "attentionNorm");
  l.mlpOutputNorm = maybeTensor(weights, "mlpOutputNorm");
  return l;
}

inline Model model(const Napi::Object& from) {
  auto shape = object(from, "shape");
  auto weights = object(from, "weights");
  Model m;
  m.vocabulary = integer(shape, "vocabulary");
  m.hidden = integer(shape, "hidden");
  m.heads = integer(shape, "heads");
  m.kvHeads = integer(shape, "kvHeads");
  m.headDim = integer(shape, "headDim");
  m.ropes = shape.Get("ropes").As<Napi::Array>().Length();
  m.normEps = number(shape, "normEps");
  m.embeddingScale = number(shape, "embeddingScale");
  m.attentionScale = number(shape, "attentionScale");
  m.logitSoftcap = number(shape, "logitSoftcap");
  m.normPlusOne = flag(shape, "normPlusOne");
  m.gelu = shape.Get("activation").As<Napi::String>().Utf8Value() == "gelu_tanh";
  m.tied = weights.Get("head").StrictEquals(weights.Get("embedding"));
  m.embedding = matrix(object(weights, "embedding"));
  m.head = matrix(object(weights, "head"));
  m.norm = tensor(object(weights, "norm"));
  auto shapes = shape.Get("layers").As<Napi::Array>();
  auto layers = weights.Get("layers").As<Napi::Array>();
  for (uint32_t i = 0; i < layers.Length(); i++) m.layers.push_back(layer(shapes.Get(i).As<Napi::Object>(), layers.Get(i).As<Napi::Object>()));
  m.pages = integer(from, "pages");
  m.pageTokens = integer(from, "pageTokens");
  m.maxTokens = integer(from, "maxTokens");
  m.threads = integer(from, "threads");
  m.fine = flag(from, "fine");
  return m;
}

template <class T>
std::vector<T> list(const Napi::Object& from, const char* name) {
  auto array = from.Get(name).As<Napi::TypedArrayOf<T>>();
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

inline Step step(const Napi::Object& from) {
  return {list<int32_t>(from, "tokens"), list<int32_t>(from, "positions"), list<int32_t>(from, "places"), list<int32_t>(from, "rows"), list<int32_t>(from, "tables"),
          list<int32_t>(from, "outputs"), list<float>(from, "turns"), integer(from, "tableWidth"), flag(from, "wantsLogits")};
}

}  // namespace reading
}  // namespace dinf
