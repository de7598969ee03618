// What the encoder of texts and the vision tower share: models that read a whole input at once.
#pragma once

#include <optional>
#include <vector>

#include "kernels.h"
#include "threads.h"

namespace dinf::cpu {

/// A matrix with its bias, or the weight and bias of a normalisation of `out` numbers, which are floats.
struct Affine {
  const void* weight;
  const float* bias;
  int out, in;
  Number type = Number::f32;
};

/// A part of an input, for which one thread computes the attention of one head.
struct AttentionShare {
  /// The rows of the whole input.
  int first, count;
  /// The rows whose attention is computed, counted from the first one.
  int from, to;
  int head;
};

class EncoderParts {
 protected:
  /// `hidden` is the width of all heads together. Without a factor of their own, scores are divided by the
  /// root of a head's size.
  EncoderParts(int hidden, int heads, float normEps, int threads, std::optional<float> attentionScale = std::nullopt);
  /// Multiplies the rows of `from` by a matrix and adds its bias.
  void multiply(const Affine& by, const std::vector<float>& from, int rows, std::vector<float>& to);
  /// Layer normalisation of one row of `by.out` numbers, in place or not.
  void normalise(const float* from, const Affine& by, float* to) const;
  /// Reads q_, k_ and v_, and writes to attended_. `room` is used by one thread.
  void attend(const AttentionShare& share, std::vector<float>& room);
  /// Lets each of the rows attend to all of them, and divides this work between the threads.
  void attendWhole(int rows);

  const int hidden_, heads_;
  const float normEps_, attentionScale_;
  const Kernels& kernels_;
  Threads threads_;
  std::vector<float> q_, k_, v_, attended_;
};

}  // namespace dinf::cpu
