// Vision towers on the processor: they make a vector of each patch of an image, and the embeddings of
// tokens from squares of patches. SigLIP with the projector of Gemma 3 averages a square, and the tower
// of Qwen merges its vectors.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "../decoder/model.h"
#include "encoder-parts.h"

namespace dinf::cpu {

struct TowerShape {
  int hidden, heads, inner, layers, out;
  /// Entries on a side of the table of positions, and patches on a side of the square that becomes one
  /// token.
  int positionsAcross, pooled;
  /// Pixels on a side of a patch, and pictures that make one patch: a still image counts as equal ones.
  int patch, frames;
  float normEps;
  /// Base of the angles by which queries and keys rotate; 0 if nothing rotates.
  double ropeTheta;
  /// True if a token is made by a merger, and not from an average.
  bool merges;
  /// The layers, in rising order, after which further numbers of each token are made.
  std::vector<int32_t> deepLayers;
  /// True if the numbers of a patch are pixel by pixel in the rows of its matrix, and not colour by colour.
  bool byPixels;
  int patchNumbers() const { return 3 * frames * patch * patch; }
  /// Number of the numbers that a merger reads.
  int square() const { return hidden * pooled * pooled; }
  /// Returns the reason why the shape cannot be computed, or an empty text.
  std::string wrong() const;
  /// The numbers of every weight, in the order of `listVisionWeights` in vision-weights.ts. Call it
  /// only if nothing is wrong.
  std::vector<int64_t> sizes() const;
};

/// A scaled image: red, green and blue of each pixel.
struct TowerImage {
  std::vector<uint8_t> pixels;
  int width = 0, height = 0;
  /// Returns the reason why the tower cannot compute the image, or an empty text.
  std::string wrong(const TowerShape& shape) const;
};

class VisionTower : EncoderParts {
 public:
  VisionTower(const TowerShape& shape, int threads) : EncoderParts(shape.hidden, shape.heads, shape.normEps, threads), shape_(shape) {}
  /// Maps the files of the weights. Each tensor must have the size that the shape gives it. Returns an
  /// error message, or an empty text.
  std::string load(const std::vector<Tensor>& tensors);
  /// Returns the numbers of an image's tokens, one token after the other. The image must not be wrong.
  std::vector<float> embed(const TowerImage& image);

 private:
  struct Layer {
    Affine attentionNorm, q, k, v, o, mlpNorm, up, down;
  };
  struct Merger {
    Affine norm, up, down;
  };
  /// Number of patches on the sides of an image.
  struct Grid {
    int rows, columns;
    int patches() const { return rows * columns; }
  };
  /// Row and column of a patch.
  using Place = std::pair<int, int>;
  Place placeOf(int patch, const Grid& grid) const;
  std::vector<float> numbersOf(const TowerImage& image, const Grid& grid);
  void addPositions(const Grid& grid, std::vector<float>& states);
  std::vector<float> turnsOf(const Grid& grid);
  void rotate(const std::vector<float>& turns, std::vector<float>& vectors);
  void normaliseRows(const Affine& by, const std::vector<float>& from, std::vector<float>& to);
  void addTo(std::vector<float>& states, const std::vector<float>& made);
  std::vector<float> merge(const Merger& merger, const std::vector<float>& states);
  std::vector<float> average(const std::vector<float>& states);

  const TowerShape shape_;
  Mappings files_;
  /// The biases, norms, positions and the projection, as floats.
  std::vector<std::vector<float>> vectors_;
  Affine patches_, norm_, projection_;
  const float *positions_ = nullptr, *tokenNorm_ = nullptr;
  std::vector<Layer> layers_;
  Merger merger_;
  std::vector<Merger> deep_;
  std::vector<float> normed_, made_, inner_;
};

}  // namespace dinf::cpu
