// The vision tower of Gemma 3 on the processor: SigLIP, which makes a vector of each patch of an image,
// and a projector, which makes the embeddings of tokens from squares of patches.
#pragma once

#include <string>
#include <vector>

#include "../decoder/model.h"
#include "encoder-parts.h"

namespace dinf::cpu {

struct TowerShape {
  int hidden, heads, inner, layers, out;
  /// Patches on a side of the image and of the square that becomes one token, and numbers of a patch.
  int across, pooled, patchNumbers;
  float normEps;
  int patches() const { return across * across; }
  int tokens() const { return (across / pooled) * (across / pooled); }
  /// Returns the reason why the shape cannot be computed, or an empty text.
  std::string wrong() const;
  /// The numbers of every weight, in the order of `listVisionWeights` in vision-weights.ts. Call it
  /// only if nothing is wrong.
  std::vector<int64_t> sizes() const;
};

class VisionTower : EncoderParts {
 public:
  VisionTower(const TowerShape& shape, int threads) : EncoderParts(shape.hidden, shape.heads, shape.normEps, threads), shape_(shape) {}
  /// Maps the files of the weights. Each tensor must have the size that the shape gives it. Returns an
  /// error message, or an empty text.
  std::string load(const std::vector<Tensor>& tensors);
  /// Returns the embeddings of an image's tokens. There must be `patchNumbers` numbers for each patch.
  std::vector<float> embed(const std::vector<float>& numbers);

 private:
  struct Layer {
    Affine attentionNorm, q, k, v, o, mlpNorm, up, down;
  };
  void normaliseRows(const Affine& by, const std::vector<float>& from, std::vector<float>& to);
  void addTo(std::vector<float>& states, const std::vector<float>& made);
  std::vector<float> pool(const std::vector<float>& states);

  const TowerShape shape_;
  Mappings files_;
  /// The biases, norms, positions and the projection, as floats.
  std::vector<std::vector<float>> vectors_;
  Affine patches_, norm_, projection_;
  const float *positions_, *tokenNorm_;
  std::vector<Layer> layers_;
  std::vector<float> normed_, made_, inner_;
};

}  // namespace dinf::cpu
