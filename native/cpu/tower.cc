#include "tower.h"

#include <cmath>

#include "packing.h"

namespace dinf::cpu {

namespace {
/// Most patches of an image, and most pixels of one of its sides.
constexpr int MOST_PATCHES = 1 << 16, MOST_SIDE = 1 << 17;
}  // namespace

std::pair<int, int> Grid::place(int patch) const {
  const int tokensAcross = columns / pooled;
  const int token = patch / (pooled * pooled), within = patch % (pooled * pooled);
  return {token / tokensAcross * pooled + within / pooled, token % tokensAcross * pooled + within % pooled};
}

std::string TowerImage::wrong(const Division& by) const {
  const int side = by.patch * by.pooled;
  if (!isFrom1To(width, MOST_SIDE) || !isFrom1To(height, MOST_SIDE) || int64_t{width / by.patch} * (height / by.patch) > MOST_PATCHES) return "the image has too many patches";
  if (width % side != 0 || height % side != 0) return "the image cannot be divided into tokens";
  if (pixels.size() != static_cast<size_t>(width) * height * 3) return "the image has not the pixels of its size";
  return "";
}

std::vector<float> TowerImage::numbers(const Division& by, Threads& threads) const {
  const Grid grid = this->grid(by);
  const int side = by.patch, ofPicture = side * side, size = by.patchNumbers();
  std::vector<float> numbers(static_cast<size_t>(grid.patches()) * size);
  threads.each(grid.patches(), [&](int patch, int) {
    const auto [row, column] = grid.place(patch);
    float* to = &numbers[static_cast<size_t>(patch) * size];
    for (int within = 0; within < ofPicture; within++) {
      const size_t y = static_cast<size_t>(row) * side + within / side, x = static_cast<size_t>(column) * side + within % side;
      const uint8_t* pixel = &pixels[(y * width + x) * 3];
      for (int colour = 0; colour < 3; colour++) {
        const float number = (static_cast<float>(pixel[colour]) / 255.0f - 0.5f) / 0.5f;
        for (int frame = 0; frame < by.frames; frame++) to[by.byPixels ? (frame * ofPicture + within) * 3 + colour : (colour * by.frames + frame) * ofPicture + within] = number;
      }
    }
  });
  return numbers;
}

std::vector<float> turnsOf(const Grid& grid, int pairs, double theta, bool rowsFirst, Threads& threads) {
  const int half = pairs / 2;
  std::vector<float> turns(static_cast<size_t>(grid.patches()) * 2 * pairs);
  threads.each(grid.patches(), [&](int patch, int) {
    const auto [row, column] = grid.place(patch);
    float* to = &turns[static_cast<size_t>(patch) * 2 * pairs];
    for (int pair = 0; pair < pairs; pair++) {
      const int along = (pair < half) == rowsFirst ? row : column;
      const double angle = along * std::pow(theta, -1.0 * (pair % half) / half);
      to[2 * pair] = static_cast<float>(std::cos(angle));
      to[2 * pair + 1] = static_cast<float>(std::sin(angle));
    }
  });
  return turns;
}

const float* TowerWeights::floats(int64_t count) {
  const Tensor& tensor = (*tensors_)[at_++];
  const uint8_t* bytes = files_.bytes(tensor);
  if (!bytes) {
    isGone_ = true;
    return nullptr;
  }
  std::vector<float>& numbers = make(count);
  for (int64_t i = 0; i < count; i++) numbers[i] = toFloat(bytes, numberOf(tensor.type), i);
  return numbers.data();
}

Affine TowerWeights::matrix(int out, int in) {
  const Tensor& tensor = (*tensors_)[at_++];
  const uint8_t* bytes = files_.bytes(tensor);
  if (!bytes) isGone_ = true;
  return {bytes, nullptr, out, in, numberOf(tensor.type)};
}

}  // namespace dinf::cpu
