// Attention of several queries over the pages of one sequence. Reading keys and values takes longer
// than computing with them, so each page is used for all queries, and each register of it for QUERIES
// of them.
#include "kernels-numbers.h"

namespace dinf::cpu {
namespace {

/// Number of queries that share one reading of a key or value from the cache of the processor. With
/// LANES tokens for each, their sums fill half of the 16 registers of AVX2.
constexpr int QUERIES = 4;

/// A query of an Attention, by its number.
struct Query {
  const float* numbers;
  /// Scores of the positions from the first page on; later the shares of the positions.
  float* scores;
  float* out;
  int first, last, head;
};

inline Query queryOf(const Attention& a, int index) {
  const int token = index / a.heads, head = index % a.heads;
  const size_t at = token * a.queryStride + (size_t)head * a.headDim;
  return {a.query + at, a.scores + index * a.row, a.out + at, a.attended[token].first, a.attended[token].last, head};
}

/// Computes the scores of `count` tokens of a page for N queries. Each lane holds one token.
template <int N>
inline void scorePage(const Attention& a, const float* page, int count, const Query* queries, int position) {
  for (int token = 0; token < count; token += LANES) {
    Register sums[N][PARTS] = {};
    const float* key = page + token;
    for (int d = 0; d < a.headDim; d++, key += a.pageTokens)
      for (int p = 0; p < PARTS; p++) {
        const Register part = load(key + p * WIDTH);
        for (int q = 0; q < N; q++) sums[q][p] += part * queries[q].numbers[d];
      }
    for (int q = 0; q < N; q++)
      for (int p = 0; p < PARTS; p++) store(queries[q].scores + position + token + p * WIDTH, sums[q][p] * a.scale);
  }
}

/// Replaces the scores of a query by shares, whose sum is 1 with that of the sink. The row has room
/// for whole vectors.
inline void toShares(float* scores, int count, const float* sink) {
  const float most = largestOf(scores, count, sink ? *sink : scores[0]);
  Register sums[PARTS] = {};
  for (int i = 0; i < count; i += LANES) {
    for (int rest = count; rest < i + LANES; rest++) scores[rest] = -1e30f;
    for (int p = 0; p < PARTS; p++) store(scores + i + p * WIDTH, exponential(load(scores + i + p * WIDTH) - most));
    for (int rest = count; rest < i + LANES; rest++) scores[rest] = 0;
    for (int p = 0; p < PARTS; p++) sums[p] += load(scores + i + p * WIDTH);
  }
  const float inverse = 1.0f / (total(sums) + (sink ? exponential(spread(*sink - most))[0] : 0.0f));
  for (int i = 0; i < count; i++) scores[i] *= inverse;
}

/// Adds to COUNT registers of the results of N queries the values of n tokens, each multiplied by its
/// share.
template <int N, int COUNT>
inline void gatherColumns(const float* values, int stride, int n, const float* const* shares, float* const* out) {
  Register sums[N][COUNT];
  for (int q = 0; q < N; q++)
    for (int c = 0; c < COUNT; c++) sums[q][c] = load(out[q] + c * WIDTH);
  for (int i = 0; i < n; i++, values += stride)
    for (int c = 0; c < COUNT; c++) {
      const Register value = load(values + c * WIDTH);
      for (int q = 0; q < N; q++) sums[q][c] += value * shares[q][i];
    }
  for (int q = 0; q < N; q++)
    for (int c = 0; c < COUNT; c++) store(out[q] + c * WIDTH, sums[q][c]);
}

/// The same for whole results.
template <int N>
inline void gather(const Attention& a, const float* values, int n, const float* const* shares, float* const* out) {
  float* to[N];
  int d = 0;
  const auto advance = [&](int by) {
    for (int q = 0; q < N; q++) to[q] += by;
    d += by;
  };
  for (int q = 0; q < N; q++) to[q] = out[q];
  while (d + 2 * WIDTH <= a.headDim) gatherColumns<N, 2>(values + d, a.stride, n, shares, to), advance(2 * WIDTH);
  while (d + WIDTH <= a.headDim) gatherColumns<N, 1>(values + d, a.stride, n, shares, to), advance(WIDTH);
  for (; d < a.headDim; d++)
    for (int q = 0; q < N; q++)
      for (int i = 0; i < n; i++) out[q][d] += shares[q][i] * values[(size_t)i * a.stride + d];
}

/// Adds the values of a page to the results of N queries. Most of its tokens belong to all queries;
/// for the others, each query is on its own. A query adds its tokens in their order.
template <int N>
inline void gatherPage(const Attention& a, const float* page, int begin, int position, const Query* queries) {
  const int pageEnd = position + a.pageTokens;
  const auto inPage = [&](int p) { return p < position ? position : p > pageEnd ? pageEnd : p; };
  const float* shares[N];
  float* out[N];
  int firsts[N], ends[N], from = position, to = pageEnd;
  for (int q = 0; q < N; q++) {
    firsts[q] = inPage(queries[q].first);
    ends[q] = inPage(queries[q].last + 1);
    from = firsts[q] > from ? firsts[q] : from;
    to = ends[q] < to ? ends[q] : to;
    out[q] = queries[q].out;
  }
  if (to < from) to = from;
  const auto valuesAt = [&](int p) { return page + (size_t)(p - position) * a.stride; };
  const auto gatherAlone = [&](int q, int first, int end) {
    const float* own = queries[q].scores + (first - begin);
    if (first < end) gather<1>(a, valuesAt(first), end - first, &own, &out[q]);
  };
  for (int q = 0; q < N; q++) {
    gatherAlone(q, firsts[q], ends[q] < from ? ends[q] : from);
    shares[q] = queries[q].scores + (from - begin);
  }
  gather<N>(a, valuesAt(from), to - from, shares, out);
  for (int q = 0; q < N; q++) gatherAlone(q, firsts[q] > to ? firsts[q] : to, ends[q]);
}

/// Calls `body` with the number of the first query of each tile, and with a Size.
template <class Body>
inline void eachTile(int queries, const Body& body) {
  static_assert(QUERIES == 4);
  int q = 0;
  for (; q + 4 <= queries; q += 4) body(q, Size<4>{});
  if (queries - q == 3) body(q, Size<3>{});
  if (queries - q == 2) body(q, Size<2>{});
  if (queries - q == 1) body(q, Size<1>{});
}

void attend(const Attention& a) {
  const int count = a.tokens * a.heads;
  Query queries[MOST_QUERIES];
  int first = a.attended[0].first, last = a.attended[0].last;
  for (int t = 1; t < a.tokens; t++) {
    first = a.attended[t].first < first ? a.attended[t].first : first;
    last = a.attended[t].last > last ? a.attended[t].last : last;
  }
  for (int q = 0; q < count; q++) queries[q] = queryOf(a, q);
  // Pages are scored whole. The scores of positions to which a token does not attend are not used.
  const int begin = first - first % a.pageTokens;
  const auto pageOf = [&](const float* cache, int position) { return cache + (size_t)a.pages[position / a.pageTokens] * a.pageTokens * a.stride; };
  for (int position = begin; position <= last; position += a.pageTokens) {
    const int tokens = last + 1 - position < a.pageTokens ? last + 1 - position : a.pageTokens;
    eachTile(count, [&](int q, auto size) { scorePage<size.VALUE>(a, pageOf(a.keys, position), tokens, queries + q, position - begin); });
  }
  for (int q = 0; q < count; q++) {
    const Query& query = queries[q];
    toShares(query.scores + (query.first - begin), query.last - query.first + 1, a.sinks ? a.sinks + query.head : nullptr);
    memset(query.out, 0, a.headDim * sizeof(float));
  }
  for (int position = begin; position <= last; position += a.pageTokens)
    eachTile(count, [&](int q, auto size) { gatherPage<size.VALUE>(a, pageOf(a.values, position), begin, position, queries + q); });
}

}  // namespace
}  // namespace dinf::cpu
