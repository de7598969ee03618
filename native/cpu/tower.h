// What all vision towers share: the interface, the division of an image into patches, and the reading of
// weights.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../decoder/model.h"
#include "encoder-parts.h"

namespace dinf::cpu {

/// How a tower divides images.
struct Division {
  /// Pixels on a side of a patch, and patches on a side of the square that becomes one token.
  int patch, pooled;
  /// Pictures that make one patch: a still image counts as equal ones.
  int frames;
  /// True if the numbers of a patch are pixel by pixel in the rows of its matrix, and not colour by colour.
  bool byPixels;
  int patchNumbers() const { return 3 * frames * patch * patch; }
};

/// Number of patches on the sides of an image.
struct Grid {
  int rows, columns;
  /// Patches on a side of a square.
  int pooled;
  int patches() const { return rows * columns; }
  int tokens() const { return patches() / (pooled * pooled); }
  /// Returns row and column of a patch. The patches of a token's square follow one another, row by row, and
  /// so do the squares.
  std::pair<int, int> place(int patch) const;
};

/// A scaled image: red, green and blue of each pixel.
struct TowerImage {
  std::vector<uint8_t> pixels;
  int width = 0, height = 0;
  /// Returns the reason why the image cannot be divided, or an empty text.
  std::string wrong(const Division& by) const;
  Grid grid(const Division& by) const { return {height / by.patch, width / by.patch, by.pooled}; }
  /// Returns the numbers of all patches, from -1 to 1, each in the order of the matrix that multiplies it.
  std::vector<float> numbers(const Division& by, Threads& threads) const;
};

class Tower {
 public:
  virtual ~Tower() = default;
  /// Maps the files of the weights. Each tensor must have the size that the shape gives it. Returns an
  /// error message, or an empty text.
  virtual std::string load(const std::vector<Tensor>& tensors) = 0;
  /// Returns the reason why the tower cannot compute an image, or an empty text.
  virtual std::string wrong(const TowerImage& image) const = 0;
  /// Returns the numbers of an image's tokens, one token after the other. The image must not be wrong.
  virtual std::vector<float> embed(const TowerImage& image) = 0;
};

/// The weights of a tower, taken from the tensors in their order.
class TowerWeights {
 public:
  void open(const std::vector<Tensor>& tensors) { tensors_ = &tensors, at_ = 0; }
  /// Returns a copy of the next tensor as floats, or null if its file is gone.
  const float* floats(int64_t count);
  /// Returns the next tensor as a matrix in its file, without a bias.
  Affine matrix(int out, int in);
  bool isGone() const { return isGone_; }
  /// Returns room for floats that are made from weights.
  std::vector<float>& make(size_t count) { return vectors_.emplace_back(count); }

 private:
  const std::vector<Tensor>* tensors_ = nullptr;
  size_t at_ = 0;
  bool isGone_ = false;
  Mappings files_;
  std::vector<std::vector<float>> vectors_;
};

/// Returns cosine and sine of each of the pairs of a head's numbers, for each patch. One half of the pairs
/// rotates by the row of the patch, the other one by its column.
std::vector<float> turnsOf(const Grid& grid, int pairs, double theta, bool rowsFirst, Threads& threads);

inline bool isFrom1To(int64_t value, int64_t most) { return value >= 1 && value <= most; }

}  // namespace dinf::cpu
