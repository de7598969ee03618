// Products of matrices and inputs, divided between the threads.
#include <algorithm>
#include <numeric>

#include "decoder.h"

namespace dinf::cpu {

void CpuEngine::setInputs(Inputs& inputs, float* rows, int width) {
  inputs.rows = rows;
  inputs.width = width;
  inputs.isRounded[0] = inputs.isRounded[1] = false;
}

Rounded CpuEngine::rounded(Inputs& inputs, int block, int tokens) {
  const size_t bytes = model_.fine ? 2 : 1;
  const int kind = block == 64, width = inputs.width, blocks = width / block;
  auto &values = inputs.values[kind];
  auto &scales = inputs.scales[kind], &sums = inputs.sums[kind];
  if (!inputs.isRounded[kind]) {
    values.resize(std::max(values.size(), bytes * tokens * width));
    scales.resize(std::max(scales.size(), static_cast<size_t>(tokens) * blocks));
    sums.resize(std::max(sums.size(), static_cast<size_t>(tokens) * blocks));
    threads_->each(tokens, [&](int t, int) {
      kernels_->round(inputs.rows + static_cast<size_t>(t) * width, width, block, model_.fine, &values[bytes * t * width], &scales[static_cast<size_t>(t) * blocks], &sums[static_cast<size_t>(t) * blocks]);
    });
    inputs.isRounded[kind] = true;
  }
  return {values.data(), scales.data(), sums.data(), width, blocks, model_.fine};
}

/// Computes one unit of work: multiplies PAIR blocks of a matrix's rows by n inputs. `from` holds
/// the indexes of the inputs, and `to` the indexes of the rows of `out`.
void CpuEngine::rows(const Weights& w, int unit, Inputs& inputs, const Rounded& x, const int* from, const int* to, int n, float* out) {
  const int block = unit * PAIR, blocks = std::min(PAIR, w.blocks() - block), first = block * LANES, last = std::min(first + blocks * LANES, w.out);
  constexpr int MOST = 64;
  for (int t = 0; t < n; t += MOST) {
    const int count = std::min(MOST, n - t);
    float* outs[MOST];
    const float* ins[MOST];
    for (int i = 0; i < count; i++) {
      outs[i] = out + static_cast<size_t>(to[t + i]) * w.out;
      ins[i] = inputs.rows + static_cast<size_t>(from[t + i]) * inputs.width;
    }
    if (w.isPacked()) kernels_->multiplyPacked(w.packed, block, blocks, x, from + t, count, outs);
    else
      for (int i = 0; i < count; i += TILE)
        for (int row = first; row < last; row++) kernels_->multiplyDense(w.dense, row, ins + i, std::min(TILE, count - i), outs + i);
    if (!w.bias.empty())
      for (int i = 0; i < count; i++)
        for (int row = first; row < last; row++) outs[i][row] += w.bias[row];
  }
}

static const int* identity(int n) {
  static thread_local std::vector<int> list;
  if (static_cast<int>(list.size()) < n) {
    list.resize(n);
    std::iota(list.begin(), list.end(), 0);
  }
  return list.data();
}

/// Multiplies several matrices by the same inputs, as one phase of the threads.
void CpuEngine::multiply(std::initializer_list<std::pair<const Weights*, float*>> products, Inputs& inputs, int tokens) {
  int units = 0;
  Rounded xs[2]{};
  for (auto [w, out] : products) {
    units += w->units();
    if (w->isPacked()) xs[w->packed.block() == 64] = rounded(inputs, w->packed.block(), tokens);
  }
  const int* all = identity(tokens);
  threads_->each(units, [&](int unit, int) {
    for (auto [w, out] : products) {
      if (unit < w->units()) return rows(*w, unit, inputs, xs[w->packed.block() == 64], all, all, tokens, out);
      unit -= w->units();
    }
  });
}

void CpuEngine::multiplySome(const Weights& w, Inputs& inputs, int tokens, const int* from, const int* to, int n, float* out) {
  const Rounded x = w.isPacked() ? rounded(inputs, w.packed.block(), tokens) : Rounded{};
  threads_->each(w.units(), [&](int unit, int) { rows(w, unit, inputs, x, from, to, n, out); });
}

}  // namespace dinf::cpu
