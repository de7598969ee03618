// The shape of a decoder, the positions of its weights in files, and the input of one step.
// reading.h creates these structs from JavaScript values, and checks.h checks them.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "activation.h"

namespace dinf {

enum class Type { f32, f16, bf16, u32, u8 };

/// Size of one number, in bytes.
inline int64_t sizeOf(Type type) { return type == Type::f32 || type == Type::u32 ? 4 : type == Type::u8 ? 1 : 2; }

/// Returns true for the types of numbers; the other types hold codes.
inline bool isNumber(Type type) { return type != Type::u32 && type != Type::u8; }

struct Tensor {
  std::string file;
  int64_t offset = 0;
  int64_t bytes = 0;
  Type type = Type::f32;
  /// If `chosen` is not empty, the tensor consists of rows of a larger tensor of the file: of each
  /// `period` rows, those with these indexes, in this order. A row has `rowBytes` bytes.
  int64_t rowBytes = 1, period = 1;
  std::vector<int32_t> chosen;
  /// If set, the rows of the tensor are columns of matrices of the file: of each one, with `rows` rows
  /// of `across` numbers, the `columns` columns from number `first` on.
  struct Turned {
    int64_t rows = 0, across = 0, first = 0, columns = 0;
  };
  std::optional<Turned> turned;
  /// True if the tensor does not stand in the file as it is.
  bool isCopied() const { return !chosen.empty() || turned; }
  /// Number of bytes from the tensor's offset that contain it.
  int64_t span() const { return turned ? bytes / turned->columns * turned->across : chosen.empty() ? bytes : bytes / static_cast<int64_t>(chosen.size()) * period; }
};

struct Matrix {
  int out = 0;
  int in = 0;
  int count = 1;
  Tensor weight;
  /// Bits of one quantized weight; 0 if the matrix is not quantized.
  int bits = 0;
  int group = 0;
  /// True if each weight is a code of MXFP4. Such a matrix has no `biases`.
  bool mxfp4 = false;
  Tensor scales;
  Tensor biases;
  std::optional<Tensor> bias;
};

/// In place of the index of a layer.
constexpr int NO_LAYER = -1;

/// The size and the weights of Gated DeltaNet. provider/models/decoder-shape.ts and
/// decoder-weights.ts describe them.
struct Delta {
  int keyHeads = 0, valueHeads = 0, keyDim = 0, valueDim = 0, convolution = 0;
  Matrix write, fade;
  Tensor fadeBias, fadeRate, factors, norm;
  int keys() const { return keyHeads * keyDim; }
  int values() const { return valueHeads * valueDim; }
  int channels() const { return 2 * keys() + values(); }
  int64_t memoryNumbers() const { return int64_t{values()} * keyDim; }
  /// Number of 32-bit numbers in a sequence's state: the memories of the value heads, and then the
  /// last inputs of the convolution.
  int64_t stateNumbers() const { return memoryNumbers() + int64_t{convolution - 1} * channels(); }
};

/// How experts are chosen for a token. `Experts` in provider/models/decoder-shape.ts describes it.
struct Routing {
  /// 0 if there are no experts.
  int experts = 0;
  int perToken = 0;
  bool normalised = false, usesSigmoid = false;
  int groups = 1, chosenGroups = 1;
  float shareScale = 1;
};

/// An expert that every token uses, with a whole share if `share` is missing.
struct SharedExpert {
  int width = 0;
  Matrix gate, up, down;
  std::optional<Matrix> share;
};

/// Experts beside a dense MLP. Both read the state after attention, each through its own norm.
struct ExpertsBeside {
  int width = 0;
  Routing routing;
  Matrix gate, up, down, router;
  Tensor inputNorm, outputNorm, denseOutputNorm, routerNorm, shareScales;
};

/// How a layer uses its own embedding of a token.
struct PerLayer {
  Matrix gate, projection;
  Tensor norm;
};

/// The embeddings of all layers: layer by layer in the rows of the two matrices.
struct PerLayerEmbedding {
  int width = 0;
  float embeddingScale = 0, projectionScale = 0;
  Matrix embedding, projection;
  Tensor norm;
};

struct Layer {
  int kvHeads = 0, headDim = 0;
  /// Index of the earlier layer whose keys and values this one reads, or NO_LAYER.
  int keysOf = NO_LAYER;
  /// If true, the projection of keys is used for values too.
  bool keysAreValues = false;
  int rope = 0;
  int window = 0;
  int width = 0;
  Routing routing;
  Matrix q, k, v, o, gate, up, down;
  std::optional<Matrix> router, outputGate;
  std::optional<SharedExpert> shared;
  /// Set if the layer has Gated DeltaNet in place of attention.
  std::optional<Delta> delta;
  std::optional<Tensor> inputNorm, mlpNorm, choiceBias, sinks, qNorm, kNorm, attentionNorm, mlpOutputNorm;
  std::optional<ExpertsBeside> beside;
  std::optional<PerLayer> perLayer;
  /// One number that multiplies the state after the layer.
  std::optional<Tensor> scale;
  /// True if the layer caches keys and values of its own.
  bool hasKeys() const { return !delta && keysOf == NO_LAYER; }
  int keyNumbers() const { return kvHeads * headDim; }
};

/// A head that drafts the token after the next one. `HeadWeights` in provider/models/decoder-weights.ts
/// describes it.
struct Head {
  Tensor embeddingNorm, hiddenNorm, norm;
  Matrix join;
  Layer layer;
};

struct Assistant;

struct Model {
  /// `headDim` is the size of the largest heads.
  int vocabulary = 0, hidden = 0, heads = 0, headDim = 0, ropes = 0;
  float normEps = 0, embeddingScale = 0, attentionScale = 0, logitSoftcap = 0, activationLimit = 0;
  /// Factor of the logits.
  float outputScale = 1;
  /// If `normsWholeProjections`, the norms of queries and keys apply to all heads of a token at once.
  bool normPlusOne = false, valueNorm = false, normsWholeProjections = false, tied = false;
  /// If `attendsBothWays`, a window reaches as far to later tokens as to earlier ones. If
  /// `globalIsCausal`, layers without a window attend to no later tokens. If `returnsStates`, a step
  /// returns normalised hidden states in place of logits.
  bool attendsBothWays = false, globalIsCausal = false, returnsStates = false;
  /// Number of the first layers after which a token of an image gets numbers that its tower made.
  int imageLayers = 0;
  Activation activation = Activation::silu;
  Matrix embedding, lmHead;
  Tensor norm;
  std::optional<PerLayerEmbedding> perLayer;
  std::vector<Layer> layers;
  std::optional<Head> head;
  std::shared_ptr<const Assistant> assistant;
  /// `keptTokens` is the number of a step's first tokens by which states can be advanced.
  int pages = 0, states = 0, pageTokens = 0, maxTokens = 0, keptTokens = 0, threads = 0;
  /// If true, inputs of quantized matrices are rounded to 16 bits instead of 8. Only the
  /// processor's engine rounds inputs.
  bool fine = false;

  /// True if the states of a step are kept, because drafts are made from them.
  bool drafts() const { return head || assistant; }
  /// Number of the numbers that a step has for each token of an image.
  int64_t imageNumbers() const { return int64_t{hidden} * (1 + imageLayers); }
  /// Number of the numbers that a step returns for each output.
  int outputNumbers() const { return returnsStates ? hidden : vocabulary; }
  /// Returns the positions from the first one up to the one before the last one that a token attends to.
  std::pair<int, int> attended(const Layer& layer, int position, int end) const {
    if (layer.window == 0) return {0, globalIsCausal ? position + 1 : end};
    const bool isBounded = attendsBothWays && end - position > layer.window;
    return {position >= layer.window ? position - layer.window + 1 : 0, isBounded ? position + layer.window : end};
  }
  /// The last layer with keys of its own, or with a state. What later layers compute of a token matters only for its output.
  int lastKeeping() const {
    int last = 0;
    for (size_t i = 0; i < layers.size(); i++)
      if (layers[i].delta || layers[i].hasKeys()) last = i;
    return last;
  }
  /// Number of the numbers in one page of the cache, over all layers. The head's are not copied with it.
  int64_t pageNumbers() const {
    int64_t numbers = 0;
    for (const Layer& layer : layers)
      if (layer.hasKeys()) numbers += int64_t{2} * pageTokens * layer.keyNumbers();
    return numbers;
  }
  /// Number of the 32-bit numbers in the state of one sequence, over all layers.
  int64_t stateNumbers() const {
    int64_t numbers = 0;
    for (const Layer& layer : layers)
      if (layer.delta) numbers += layer.delta->stateNumbers();
    return numbers;
  }
};

/// The groups of a vocabulary, of which the best ones get logits. `tokens` are the tokens group by group.
struct VocabularyGroups {
  int chosen = 0;
  Matrix scores;
  std::vector<int32_t> tokens;
};

/// A small model that drafts the answers of another one, whose keys its layers read.
/// provider/models/assistant-model.ts describes it. `model` has its layers, its norm and the matrix of its
/// logits, stacked by groups if there are any; it has no embedding.
struct Assistant {
  Model model;
  Matrix join, back;
  std::optional<VocabularyGroups> groups;
};

/// Consecutive tokens of one row of a step.
struct Run {
  int row = 0, first = 0, tokens = 0;
};

/// In place of a state slot: the state of a sequence before its first token.
constexpr int32_t NO_STATE = -1;

/// The input of one forward pass, as flat lists. provider/engine/decoders/decoder.ts describes
/// them.
struct Step {
  std::vector<int32_t> tokens, positions, places, rows, tables, states, outputs;
  /// The cosines and then the sines of each token's angles, rope by rope.
  std::vector<float> ropeAngles;
  int tableWidth = 0;
  bool wantsLogits = false;
  /// The position after the last one that each token attends to.
  std::vector<int32_t> ends, imageTokens;
  std::vector<float> imageEmbeddings;
  bool operator==(const Step&) const = default;
  std::vector<Run> runs() const {
    std::vector<Run> runs;
    for (int t = 0; t < static_cast<int>(rows.size()); t++) {
      if (t > 0 && rows[t] == rows[t - 1]) runs.back().tokens++;
      else runs.push_back({rows[t], t, 1});
    }
    return runs;
  }
  /// Returns the step of the tokens whose outputs are wanted.
  Step ofOutputs(int ropes) const {
    Step some;
    some.tables = tables;
    some.tableWidth = tableWidth;
    some.wantsLogits = wantsLogits;
    for (size_t i = 0; i < outputs.size(); i++) {
      some.outputs.push_back(i);
      for (auto list : {&Step::tokens, &Step::positions, &Step::places, &Step::rows, &Step::ends}) (some.*list).push_back((this->*list)[outputs[i]]);
    }
    const size_t angles = ropeAngles.size() / (ropes * tokens.size());
    for (int rope = 0; rope < ropes; rope++)
      for (const int32_t token : outputs) {
        const auto from = ropeAngles.begin() + (rope * tokens.size() + token) * angles;
        some.ropeAngles.insert(some.ropeAngles.end(), from, from + angles);
      }
    return some;
  }
};

/// True if layers from the last one that keeps anything on can be left out for tokens without an output. Drafts
/// are made from the states of all tokens.
inline bool isNarrowed(const Model& model, const Step& step) {
  const int last = model.lastKeeping();
  return step.outputs.size() < step.tokens.size() && !model.drafts() && model.layers[last].hasKeys() && last >= model.imageLayers;
}

/// The input of one pass through the draft head or the assistant: for each token, the index of the one before it in the
/// last draft, if `isChained`, or in the last step.
struct DraftStep {
  Step step;
  std::vector<int32_t> before;
  bool isChained = false;
};

/// States that are moved on by tokens of the last step: for each state its slot, and the first token
/// and the number of tokens.
struct Advance {
  std::vector<int32_t> slots, firsts, counts;
};

/// Pages and state slots that are copied out of the cache or into it.
struct Units {
  std::vector<int32_t> pages, states;
};

/// The bytes of units, one after the other, each layer by layer.
struct UnitBytes {
  std::vector<uint8_t> list;
};

struct StepResult {
  std::vector<int32_t> best;
  std::vector<float> logits;
  /// True if the step was begun before it was asked for.
  bool wasAhead = false;
};

/// A file mapped into memory. It is unmapped when the last reference is released.
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
  /// Returns null if the file is missing or is shorter than the tensor's range.
  const uint8_t* bytes(const Tensor& tensor) {
    auto& file = files_[tensor.file];
    if (!file) file = Mapping::open(tensor.file);
    if (!file) return nullptr;
    const uint8_t* whole = file->at(tensor.offset, tensor.span());
    if (!whole || !tensor.isCopied()) return whole;
    auto& rows = gathered_[{tensor.file, tensor.offset, tensor.bytes, tensor.turned ? tensor.turned->first : tensor.rowBytes, tensor.turned ? 0 : tensor.period, tensor.chosen}];
    if (rows.empty() && tensor.turned) {
      rows.resize(tensor.bytes);
      if (sizeOf(tensor.type) == 2) turn<uint16_t>(whole, tensor, rows.data());
      else turn<uint32_t>(whole, tensor, rows.data());
    } else if (rows.empty()) {
      rows.resize(tensor.bytes);
      uint8_t* to = rows.data();
      for (; to < rows.data() + tensor.bytes; whole += tensor.period * tensor.rowBytes)
        for (const int32_t row : tensor.chosen) {
          std::memcpy(to, whole + row * tensor.rowBytes, tensor.rowBytes);
          to += tensor.rowBytes;
        }
    }
    return rows.data();
  }
  /// Frees the copies of tensors whose rows are not adjacent in their file.
  void forget() { gathered_.clear(); }

 private:
  /// Copies columns of the file's matrices to rows. Numbers may stand at any address of the file.
  template <class Number>
  static void turn(const uint8_t* from, const Tensor& tensor, uint8_t* to) {
    const auto [rows, across, first, columns] = *tensor.turned;
    constexpr int64_t size = sizeof(Number), BLOCK = 64;
    for (const uint8_t* end = to + tensor.bytes; to < end; from += rows * across * size, to += columns * rows * size)
      // By blocks of rows, so that the lines of a block stay in the processor's cache.
      for (int64_t block = 0; block < rows; block += BLOCK)
        for (int64_t column = 0; column < columns; column++)
          for (int64_t row = block; row < std::min(rows, block + BLOCK); row++) std::memcpy(to + (column * rows + row) * size, from + (row * across + first + column) * size, size);
  }

  std::map<std::string, std::shared_ptr<Mapping>> files_;
  std::map<std::tuple<std::string, int64_t, int64_t, int64_t, int64_t, std::vector<int32_t>>, std::vector<uint8_t>> gathered_;
};

}  // namespace dinf
