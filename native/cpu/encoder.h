// BERT on the processor: a model that reads whole texts and returns a vector for each token. Several
// texts share one pass, so that the weights are read once for all of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "encoder-parts.h"

namespace dinf::cpu {

struct EncoderShape {
  int vocabulary, hidden, heads, inner, layers, positions, kinds;
  float normEps;
  /// Returns the reason why the shape cannot be computed, or an empty text.
  std::string wrong() const;
  /// Number of weights that the shape has. Call it only if nothing is wrong.
  size_t weights() const;
};

/// The tokens of all texts, one text after the other.
struct Texts {
  std::vector<int32_t> tokens, kinds, lengths;
  /// Returns the reason why the texts are outside of the model, or an empty text. Unchecked ones
  /// would make the encoder read outside of its weights.
  std::string wrong(const EncoderShape& shape) const;
};

class Encoder : EncoderParts {
 public:
  /// The weights are in the order of `listWeights` in encoder-weights.ts. There must be as many as
  /// the shape has.
  Encoder(const EncoderShape& shape, std::vector<float> weights, int threads);
  /// Returns the vectors of all tokens. The texts must not be wrong.
  std::vector<float> pass(const Texts& texts);

 private:
  struct Layer {
    Affine q, k, v, o, attentionNorm, up, down, outputNorm;
  };
  void addAndNormalise(const std::vector<float>& made, const Affine& by, int rows, std::vector<float>& states);

  const EncoderShape shape_;
  const std::vector<float> weights_;
  const float *words_, *positions_, *kinds_;
  Affine norm_;
  std::vector<Layer> layers_;
  std::vector<float> made_, inner_;
};

}  // namespace dinf::cpu
