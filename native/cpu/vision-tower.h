// Vision towers on the processor: they make a vector of each patch of an image, and the embeddings of
// tokens from squares of patches. SigLIP with the projector of Gemma 3 averages a square, and the tower
// of Qwen merges its vectors.
#pragma once

#include "tower.h"

namespace dinf::cpu {

struct TowerShape {
  int hidden, heads, inner, layers, out;
  /// Entries on a side of the table of positions.
  int positionsAcross;
  Division division;
  float normEps;
  /// Base of the angles by which queries and keys rotate; 0 if nothing rotates.
  double ropeTheta;
  /// True if a token is made by a merger, and not from an average.
  bool merges;
  /// The layers, in rising order, after which further numbers of each token are made.
  std::vector<int32_t> deepLayers;
  /// Number of the numbers that a merger reads.
  int square() const { return hidden * division.pooled * division.pooled; }
  /// Returns the reason why the shape cannot be computed, or an empty text.
  std::string wrong() const;
  /// The numbers of every weight, in the order of `listVisionWeights` in vision-weights.ts. Call it
  /// only if nothing is wrong.
  std::vector<int64_t> sizes() const;
};

class VisionTower final : public Tower, EncoderParts {
 public:
  VisionTower(const TowerShape& shape, int threads) : EncoderParts(shape.hidden, shape.heads, shape.normEps, threads), shape_(shape) {}
  std::string load(const std::vector<Tensor>& tensors) override;
  std::string wrong(const TowerImage& image) const override { return image.wrong(shape_.division); }
  std::vector<float> embed(const TowerImage& image) override;

 private:
  struct Layer {
    Affine attentionNorm, q, k, v, o, mlpNorm, up, down;
  };
  struct Merger {
    Affine norm, up, down;
  };
  void addPositions(const Grid& grid, std::vector<float>& states);
  void rotate(const std::vector<float>& turns, std::vector<float>& vectors);
  void normaliseRows(const Affine& by, const std::vector<float>& from, std::vector<float>& to);
  void addTo(std::vector<float>& states, const std::vector<float>& made);
  std::vector<float> merge(const Merger& merger, const std::vector<float>& states);
  std::vector<float> average(const std::vector<float>& states);

  const TowerShape shape_;
  TowerWeights weights_;
  Affine patches_, norm_, projection_;
  const float *positions_ = nullptr, *tokenNorm_ = nullptr;
  std::vector<Layer> layers_;
  Merger merger_;
  std::vector<Merger> deep_;
  std::vector<float> normed_, made_, inner_;
};

}  // namespace dinf::cpu
