// The vision tower of Gemma 4 on the processor. Its block has gated MLPs, norms without biases, also for
// each head, and no biases; its matrices may have bounds for their inputs and outputs.
#pragma once

#include <limits>

#include "tower.h"

namespace dinf::cpu {

struct Gemma4TowerShape {
  int hidden, heads, headDim, inner, layers, out;
  /// Entries of each of the two tables of positions.
  int positionsAcross;
  Division division;
  float normEps;
  /// Base of the angles by which queries and keys rotate.
  double ropeTheta;
  /// True if the inputs and outputs of each matrix have bounds.
  bool clips;
  /// True if averages are shifted and scaled.
  bool standardises;
  /// Width of all heads together.
  int attended() const { return heads * headDim; }
  /// Returns the reason why the shape cannot be computed, or an empty text.
  std::string wrong() const;
  /// The numbers of every weight but the projection, in the order of `listGatedWeights` in
  /// gemma4-tower-weights.ts. Call it only if nothing is wrong.
  std::vector<int64_t> sizes() const;
};

class Gemma4Tower final : public Tower, EncoderParts {
 public:
  /// The projection has a row of the tower's width for each number that is made. Its file may be quantized, so
  /// it is not among the tensors.
  Gemma4Tower(const Gemma4TowerShape& shape, std::vector<float> projection, int threads) : EncoderParts(shape.attended(), shape.heads, shape.normEps, threads, 1.0f), shape_(shape), projection_(std::move(projection)) {}
  std::string load(const std::vector<Tensor>& tensors) override;
  std::string wrong(const TowerImage& image) const override;
  std::vector<float> embed(const TowerImage& image) override;

 private:
  /// Without bounds of the file, the bounds are infinite.
  struct Clipped {
    Affine matrix;
    float least = -std::numeric_limits<float>::infinity(), most = -least, leastMade = least, mostMade = most;
  };
  struct Layer {
    const float *attentionNorm, *qNorm, *kNorm, *attentionOutputNorm, *mlpNorm, *mlpOutputNorm;
    Clipped q, k, v, o, gate, up, down;
  };
  Clipped clippedMatrix(int out, int in);
  void multiplyClipped(const Clipped& by, const std::vector<float>& from, int rows, std::vector<float>& to);
  void addPositions(const Grid& grid, std::vector<float>& states);
  void normaliseRows(const float* weight, const std::vector<float>& from, std::vector<float>& to);
  void prepareHeads(std::vector<float>& vectors, const float* weight, const std::vector<float>& turns);
  void addNormalised(std::vector<float>& states, std::vector<float>& made, const float* weight);
  std::vector<float> averages(const Grid& grid, const std::vector<float>& states);

  const Gemma4TowerShape shape_;
  TowerWeights weights_;
  const std::vector<float> projection_;
  Affine patches_, positions_;
  /// What is subtracted from averages, and their factors after that; null if averages stay as they are.
  const float *bias_ = nullptr, *scale_ = nullptr;
  std::vector<Layer> layers_;
  std::vector<float> ones_, clipped_, normed_, made_, inner_, up_;
};

}  // namespace dinf::cpu
