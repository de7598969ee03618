// Copies pages and states out of the cache and into it.
#include <algorithm>
#include <cstring>

#include "engine.h"

namespace dinf::mlx {

/// Bytes that are copied to or from a list of arrays, one after the other.
class Bytes {
 public:
  explicit Bytes(uint8_t* to) : to_(to) {}
  /// Appends an evaluated array. A state that nothing has written is a single number: it is empty.
  void append(const mx::array& array, int64_t size) {
    if (static_cast<int64_t>(array.nbytes()) == size) std::memcpy(to_, array.data<uint8_t>(), size);
    else std::memset(to_, 0, size);
    to_ += size;
  }

 private:
  uint8_t* to_;
};

/// Makes an array of bytes that are stored as numbers of a type.
static mx::array arrayOf(const uint8_t* bytes, const mx::Shape& shape, mx::Dtype type) {
  mx::Shape inBytes = shape;
  inBytes.back() *= type.size();
  return mx::view(mx::array(bytes, inBytes, mx::uint8), type);
}

std::string MlxEngine::save(const Units& units, uint8_t* bytes) try {
  const int rows = model_.pageTokens;
  std::vector<mx::array> made;
  std::vector<int64_t> sizes;
  /// In a saved page, all heads of a token are beside one another.
  const auto pageOf = [&](const mx::array& cache, int page) { return mx::transpose(mx::slice(cache, {0, page * rows, 0}, {cache.shape(0), (page + 1) * rows, cache.shape(2)}), {1, 0, 2}); };
  const auto add = [&](const mx::array& array, int64_t size) {
    made.push_back(mx::contiguous(array));
    sizes.push_back(size);
  };
  for (const int32_t page : units.pages)
    for (const LayerOf& layer : trunk()) {
      if (!layer.shape->hasKeys()) continue;
      const int64_t size = int64_t{rows} * layer.shape->keyNumbers() * type_.size();
      for (const mx::array* cache : {&layer.keys, &layer.values})
        add(page < cachePages_ ? pageOf(*cache, page) : mx::array(0.0f), size);
    }
  for (const int32_t slot : units.states)
    for (const LayerOf& layer : trunk()) {
      if (!layer.shape->delta) continue;
      const Delta& delta = *layer.shape->delta;
      const int64_t memory = delta.memoryNumbers() * sizeof(float), all = delta.stateNumbers() * sizeof(float);
      add(slot < states_ ? layer.memories[slot] : mx::array(0.0f), memory);
      add(slot < states_ ? layer.inputs[slot] : mx::array(0.0f), all - memory);
    }
  mx::eval(made);
  Bytes to(bytes);
  for (size_t i = 0; i < made.size(); i++) to.append(made[i], sizes[i]);
  return "";
} catch (const std::exception& error) {
  return error.what();
}

std::string MlxEngine::restore(const Units& units, const uint8_t* bytes) try {
  ahead_.reset();
  const int rows = model_.pageTokens, pages = units.pages.size();
  const int64_t pageBytes = model_.pageNumbers() * type_.size();
  for (const int32_t page : units.pages) growCache(page + 1);
  for (const int32_t slot : units.states)
    if (slot >= states_) resizeStates(slot + 1);
  std::vector<int32_t> list;
  for (const int32_t page : units.pages)
    for (int i = 0; i < rows; i++) list.push_back(page * rows + i);
  const auto places = mx::array(list.data(), mx::Shape{static_cast<int>(list.size())}, mx::int32);
  std::vector<mx::array> made;
  int64_t at = 0;
  for (LayerOf& layer : trunk()) {
    if (!layer.shape->hasKeys() || pages == 0) continue;
    const int64_t size = int64_t{rows} * layer.shape->keyNumbers() * type_.size();
    for (mx::array* cache : {&layer.keys, &layer.values}) {
      std::vector<uint8_t> joined(pages * size);
      for (int i = 0; i < pages; i++) std::memcpy(joined.data() + i * size, bytes + i * pageBytes + at, size);
      const auto update = arrayOf(joined.data(), {pages * rows, layer.shape->kvHeads, 1, layer.shape->headDim}, type_);
      // The assignment releases the old array, as in `attention`.
      *cache = mx::scatter(*cache, places, update, 1);
      made.push_back(*cache);
      at += size;
    }
  }
  const uint8_t* from = bytes + pages * pageBytes;
  for (const int32_t slot : units.states)
    for (LayerOf& layer : trunk()) {
      if (!layer.shape->delta) continue;
      const Delta& delta = *layer.shape->delta;
      layer.memories[slot] = arrayOf(from, {1, delta.valueHeads, delta.keyDim, delta.valueDim}, mx::float32);
      layer.inputs[slot] = arrayOf(from + delta.memoryNumbers() * sizeof(float), {1, delta.convolution - 1, delta.channels()}, mx::float32);
      made.insert(made.end(), {layer.memories[slot], layer.inputs[slot]});
      from += delta.stateNumbers() * sizeof(float);
    }
  mx::eval(made);
  mx::clear_cache();
  return "";
} catch (const std::exception& error) {
  return error.what();
}

}  // namespace dinf::mlx
