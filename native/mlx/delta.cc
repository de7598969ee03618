// Gated DeltaNet: attention whose past is a state of constant size. provider/engine/decoders/
// reference-delta.ts has the same computation, token by token. Here, the tokens of a prompt are
// computed in chunks, so that their number does not become the number of operations.
#include <cmath>

#include "engine.h"

namespace dinf::mlx {

/// Number of tokens of a chunk. The operations of a prompt are few if it is near the square root of
/// the prompt's length.
constexpr int CHUNK = 32;

static mx::array number(float value) { return mx::array(value); }


/// Returns the logarithm of what is kept of each memory.
static mx::array fadeOf(const mx::array& fade, const mx::array& bias, const mx::array& rate) { return mx::negative(mx::exp(rate)) * mx::logaddexp(fade + bias, number(0)); }

/// Scales vectors to the length 1.
static mx::array unit(const mx::array& x) { return x * mx::rsqrt(mx::sum(x * x, -1, true) + number(1e-6f)); }

/// The projections of some tokens of a value head, after the convolution. All arrays have the
/// dimensions rows, heads and tokens, and the first three have a vector for each token.
struct Recalled {
  mx::array queries, keys, values, fades, writes;
};

/// Computes one token of each row, changes the memories, and returns what it reads from them.
static mx::array recallOne(const Recalled& r, mx::array& memory) {
  const auto column = [](const mx::array& x) { return mx::expand_dims(x, -1); };
  const auto kept = memory * column(mx::exp(r.fades));
  const auto found = mx::matmul(r.keys, kept);
  memory = kept + mx::matmul(mx::swapaxes(r.keys, -1, -2), (r.values - found) * column(r.writes));
  return mx::matmul(r.queries, memory);
}

/// Computes a chunk's tokens at once. Each token's new value depends on those of all tokens before
/// it in the chunk: `solve` removes this dependence, and the rest is products of matrices.
class Chunks {
 public:
  explicit Chunks(const Recalled& r) : r_(r), sums_(mx::cumsum(r.fades, -1)) {
    const auto steps = mx::arange(CHUNK);
    const auto later = mx::expand_dims(steps, 1), earlier = mx::expand_dims(steps, 0);
    // The exponent is at most 0 where it counts, and is limited elsewhere so that it stays finite.
    const auto difference = mx::minimum(mx::expand_dims(sums_, -1) - mx::expand_dims(sums_, -2), number(0));
    decay_ = mx::where(mx::greater_equal(later, earlier), mx::exp(difference), number(0));
    const auto writes = mx::expand_dims(r.writes, -1);
    const auto overlap = mx::where(mx::greater(later, earlier), mx::matmul(r.keys * writes, mx::swapaxes(r.keys, -1, -2)) * decay_, number(0));
    const auto solved = solve(overlap);
    values_ = mx::matmul(solved, r.values * writes);
    faded_ = mx::matmul(solved, r.keys * writes * mx::expand_dims(mx::exp(sums_), -1));
  }

  /// Computes chunk number `index`, changes the memories, and returns what its tokens read.
  mx::array recall(int index, mx::array& memory) const {
    const auto of = [index](const mx::array& all) { return mx::squeeze(mx::slice(all, start(all, index), stop(all, index)), 2); };
    const auto keys = of(r_.keys), queries = of(r_.queries), sums = of(sums_);
    const auto all = mx::slice(sums, {0, 0, CHUNK - 1}, {sums.shape(0), sums.shape(1), CHUNK});
    const auto changes = of(values_) - mx::matmul(of(faded_), memory);
    const auto read = mx::matmul(queries * mx::expand_dims(mx::exp(sums), -1), memory) + mx::matmul(mx::matmul(queries, mx::swapaxes(keys, -1, -2)) * of(decay_), changes);
    memory = memory * mx::expand_dims(mx::exp(all), -1) + mx::matmul(mx::swapaxes(keys * mx::expand_dims(mx::exp(all - sums), -1), -1, -2), changes);
    return read;
  }

 private:
  static mx::Shape start(const mx::array& all, int index) {
    mx::Shape shape(all.ndim(), 0);
    shape[2] = index;
    return shape;
  }
  static mx::Shape stop(const mx::array& all, int index) {
    mx::Shape shape = all.shape();
    shape[2] = index + 1;
    return shape;
  }
  /// Returns the inverse of the identity plus a matrix that has only numbers below its diagonal.
  static mx::array solve(const mx::array& below) {
    mx::Shape from(below.ndim(), 0), to = below.shape();
    const auto identity = mx::broadcast_to(mx::eye(CHUNK), below.shape());
    const auto row = [&](const mx::array& of, int i, int columns) {
      from[from.size() - 2] = i;
      to[to.size() - 2] = i + 1;
      to[to.size() - 1] = columns;
      return mx::slice(of, from, to);
    };
    std::vector<mx::array> rows{row(identity, 0, CHUNK)};
    for (int i = 1; i < CHUNK; i++) rows.push_back(row(identity, i, CHUNK) - mx::matmul(row(below, i, i), mx::concatenate(rows, -2)));
    return mx::concatenate(rows, -2);
  }

  Recalled r_;
  mx::array sums_, decay_ = mx::array(0.0f), values_ = mx::array(0.0f), faded_ = mx::array(0.0f);
};

/// Computes several tokens of one row in chunks.
static mx::array recallMany(const Recalled& r, mx::array& memory) {
  const int tokens = r.fades.shape(2), chunks = (tokens + CHUNK - 1) / CHUNK;
  // The tokens that fill the last chunk keep the memory and write nothing.
  const auto divided = [&](const mx::array& x) {
    std::vector<std::pair<int, int>> pads(x.ndim(), {0, 0});
    pads[2].second = chunks * CHUNK - tokens;
    mx::Shape shape = x.shape();
    shape[2] = CHUNK;
    shape.insert(shape.begin() + 2, chunks);
    return mx::reshape(mx::pad(x, pads), shape);
  };
  const Chunks all({divided(r.queries), divided(r.keys), divided(r.values), divided(r.fades), divided(r.writes)});
  std::vector<mx::array> read;
  for (int i = 0; i < chunks; i++) read.push_back(all.recall(i, memory));
  const auto joined = chunks == 1 ? read[0] : mx::concatenate(read, 2);
  mx::Shape to = joined.shape();
  to[2] = tokens;
  return mx::slice(joined, {0, 0, 0, 0}, to);
}

/// Joins a part of the states of a group's rows. A row that begins has an empty state.
static mx::array statesOf(const std::vector<mx::array>& slots, const std::vector<int>& read, const mx::Shape& shape) {
  std::vector<mx::array> rows;
  for (const int slot : read) rows.push_back(slot == NO_STATE ? mx::zeros(shape) : slots[slot]);
  return rows.size() == 1 ? rows[0] : mx::concatenate(rows, 0);
}

/// Stores each row's part of the states. A sum has memory of its own; a slice would keep that of all
/// rows for as long as one of them lives.
static void storeStates(std::vector<mx::array>& slots, const std::vector<int>& written, const mx::array& all) {
  for (size_t i = 0; i < written.size(); i++) {
    mx::Shape from(all.ndim(), 0), to = all.shape();
    from[0] = i;
    to[0] = i + 1;
    slots[written[i]] = written.size() == 1 ? all : mx::slice(all, from, to) + number(0);
  }
}

mx::array MlxEngine::recall(LayerOf& layer, const Projected& projected, const StateGroup& group) {
  const Delta& d = *layer.shape->delta;
  const int rows = group.read.size(), tokens = group.tokens, kept = d.convolution - 1;
  const auto of = [&](const mx::array& x) { return mx::reshape(mx::slice(x, {group.firstToken, 0}, {group.firstToken + rows * tokens, x.shape(1)}), {rows, tokens, x.shape(1)}); };
  const auto inputs = mx::concatenate({statesOf(layer.inputs, group.read, {1, kept, d.channels()}), of(projected.channels)}, 1);
  auto mixed = mx::zeros({rows, tokens, d.channels()});
  for (int i = 0; i < d.convolution; i++) mixed = mixed + mx::slice(inputs, {0, i, 0}, {rows, i + tokens, d.channels()}) * mx::slice(*layer.factors, {i, 0}, {i + 1, d.channels()});
  mixed = mixed * mx::sigmoid(mixed);
  // Dimensions: rows, value heads, tokens, numbers.
  const auto heads = [&](int from, int to, int count) { return mx::transpose(mx::reshape(mx::slice(mixed, {0, 0, from}, {rows, tokens, to}), {rows, tokens, count, (to - from) / count}), {0, 2, 1, 3}); };
  const auto ofKeys = [&](int from) { return mx::repeat(unit(heads(from, from + d.keys(), d.keyHeads)), d.valueHeads / d.keyHeads, 1); };
  const auto perHead = [&](const mx::array& x) { return mx::transpose(of(x), {0, 2, 1}); };
  const Recalled recalled{ofKeys(0) * number(1 / std::sqrt(static_cast<float>(d.keyDim))), ofKeys(d.keys()), heads(2 * d.keys(), d.channels(), d.valueHeads), perHead(projected.fades), perHead(projected.writes)};
  auto memory = statesOf(layer.memories, group.read, {1, d.valueHeads, d.keyDim, d.valueDim});
  const auto out = tokens == 1 ? recallOne(recalled, memory) : recallMany(recalled, memory);
  storeStates(layer.memories, group.written, memory);
  storeStates(layer.inputs, group.written, mx::contiguous(mx::slice(inputs, {0, tokens, 0}, {rows, tokens + kept, d.channels()})));
  return mx::transpose(out, {0, 2, 1, 3});
}

/// The first rows, in memory of their own.
static mx::array firstRows(const mx::array& x, int rows) { return x.shape(0) <= rows ? x : mx::slice(x, {0, 0}, {rows, x.shape(1)}) + number(0); }

mx::array MlxEngine::delta(LayerOf& layer, const mx::array& input, const Step& step, const std::vector<Group>& groups) {
  const Delta& d = *layer.shape->delta;
  const auto whole = [](const mx::array& x) { return mx::astype(x, mx::float32); };
  const auto gates = whole(multiply(layer.outputGate, input));
  const Projected projected{whole(mx::concatenate({multiply(layer.q, input), multiply(layer.k, input), multiply(layer.v, input)}, -1)), mx::sigmoid(whole(multiply(layer.write, input))),
                            fadeOf(whole(multiply(layer.fade, input)), *layer.fadeBias, *layer.fadeRate)};
  layer.kept = {firstRows(projected.channels, model_.keptTokens), firstRows(projected.writes, model_.keptTokens), firstRows(projected.fades, model_.keptTokens)};
  std::vector<mx::array> made;
  for (const Group& group : groups) {
    const int rows = group.rows.size(), all = rows * group.tokens;
    StateGroup states{group.firstToken, group.tokens, {}, {}};
    for (const int row : group.rows) {
      states.read.push_back(step.states[2 * row]);
      states.written.push_back(step.states[2 * row + 1]);
    }
    const auto out = mx::fast::rms_norm(recall(layer, projected, states), layer.deltaNorm, model_.normEps);
    const auto gate = mx::reshape(mx::slice(gates, {group.firstToken, 0}, {group.firstToken + all, d.values()}), out.shape());
    made.push_back(mx::reshape(out * gate * mx::sigmoid(gate), {all, d.values()}));
  }
  return multiply(layer.o, mx::astype(made.size() == 1 ? made[0] : mx::concatenate(made, 0), type_));
}

std::string MlxEngine::advance(const Advance& advance) try {
  const int needed = *std::max_element(advance.slots.begin(), advance.slots.end()) + 1;
  if (needed > states_) resizeStates(needed);
  std::vector<mx::array> changed;
  for (LayerOf& layer : trunk()) {
    if (!layer.shape->delta) continue;
    for (size_t i = 0; i < advance.slots.size(); i++) {
      const int slot = advance.slots[i];
      recall(layer, *layer.kept, {advance.firsts[i], advance.counts[i], {slot}, {slot}});
      changed.insert(changed.end(), {layer.memories[slot], layer.inputs[slot]});
    }
  }
  mx::eval(changed);
  return "";
} catch (const std::exception& error) {
  return error.what();
}

}  // namespace dinf::mlx
