#pragma once

#include <mlx/mlx.h>

#include "../decoder/addon.h"

namespace dinf::mlx {

namespace mx = ::mlx::core;

/// The decoder as a graph of MLX's operations: on Metal where there is Metal, otherwise on the processor. Lives on one thread: since
/// 0.31.2 a stream, and so an array that is not evaluated yet, belongs to the thread that made it.
class MlxEngine final : public Engine {
 public:
  ~MlxEngine() override;
  std::string load(const Model& model) override;
  std::string step(const Step& step, StepResult& result) override;
  int64_t memoryBytes() const override { return memory_; }
  int64_t cacheBytes() const override;
  std::string keep(int pages) override;

 private:
  struct Weights {
    mx::array weight = mx::array(0.0f);
    std::optional<mx::array> scales, biases, bias;
    int bits = 0, group = 0;
  };
  struct LayerOf {
    const Layer* shape;
    Weights q, k, v, o, gate, up, down, router;
    mx::array inputNorm = mx::array(0.0f), mlpNorm = mx::array(0.0f);
    std::optional<mx::array> qNorm, kNorm, attentionNorm, mlpOutputNorm;
    mx::array keys = mx::array(0.0f), values = mx::array(0.0f);
  };
  /// Rows of a step that attention can treat at once: all with one token, or one with many.
  struct Group {
    std::vector<int> rows;
    int firstToken, tokens;
    mx::array places = mx::array(0);
    /// By the layers' windows.
    std::map<int, mx::array> masks;
  };

  mx::array read(const Tensor& tensor, const mx::Shape& shape, mx::Dtype as);
  Weights read(const Matrix& matrix);
  /// Gives every layer's cache this many pages; what is in the pages that remain is kept.
  void resizeCache(int pages);
  mx::array norm(const Tensor& tensor);
  std::optional<mx::array> norm(const std::optional<Tensor>& tensor);
  LayerOf read(const Layer& layer);
  std::vector<Group> groups(const Step& step);
  mx::array embed(const Step& step);
  mx::array attention(LayerOf& layer, const mx::array& input, const Step& step, const mx::array& places, const mx::array& turns, const std::vector<Group>& groups);
  mx::array mlp(const LayerOf& layer, const mx::array& input);
  mx::array experts(const LayerOf& layer, const mx::array& input);
  mx::array activate(const mx::array& gate, const mx::array& up);

  Model model_;
  Mappings files_;
  mx::Dtype type_ = mx::float32;
  Weights embedding_, head_;
  mx::array norm_ = mx::array(0.0f);
  std::vector<LayerOf> layers_;
  int64_t memory_ = 0;
  int cachePages_ = 0;
  int steps_ = 0;
};

/// Where MLX computes.
std::string device();
/// Empty when the library is the one that this was compiled for.
std::string mismatch();

}  // namespace dinf::mlx
