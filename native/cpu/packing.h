// Converts weights from the layout of the model's files to the layout that the kernels read, in
// which the weights of LANES rows lie together.
#pragma once

#include <cstring>

#include "../decoder/model.h"
#include "half.h"
#include "kernels.h"
#include "threads.h"

namespace dinf::cpu {

inline Number numberOf(Type type) { return type == Type::f16 ? Number::f16 : type == Type::bf16 ? Number::bf16 : Number::f32; }

inline float toFloat(const uint8_t* from, Number type, size_t i) {
  if (type == Number::f32) { float v; std::memcpy(&v, from + 4 * i, 4); return v; }
  uint16_t half;
  std::memcpy(&half, from + 2 * i, 2);
  if (type == Number::f16) return halfToFloat(half);
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float v;
  std::memcpy(&v, &bits, 4);
  return v;
}

/// Returns the bits of the bf16 number that is half of a scale of MXFP4, 2^(code - 127). The two
/// smallest ones are below the range of normal numbers.
inline uint16_t halfScale(uint8_t code) { return code > 1 ? static_cast<uint16_t>((code - 1) << 7) : code == 1 ? 0x40 : 0x20; }

/// One matrix of an engine. A quantized matrix is repacked in memory. Any other matrix is read
/// directly from the mapped file, or copied to `values` if its rows are not adjacent there.
struct Weights {
  int out = 0, in = 0;
  std::vector<uint8_t> values;
  std::vector<uint8_t> scales;
  std::vector<float> bias;
  Packed packed{};
  Dense dense{};
  bool isPacked() const { return packed.values != nullptr; }
  int blocks() const { return (out + LANES - 1) / LANES; }
  int units() const { return (blocks() + PAIR - 1) / PAIR; }
  int64_t bytes() const { return values.size() + scales.size() + 4 * bias.size() + (isPacked() || !values.empty() ? 0 : static_cast<int64_t>(out) * in * (dense.type == Number::f32 ? 4 : 2)); }

  /// Writes one row as 32-bit numbers, for example the embedding of a token. The matrix must not be
  /// in MXFP4.
  void row(int index, float* to) const {
    if (!isPacked()) {
      for (int i = 0; i < in; i++) to[i] = toFloat(static_cast<const uint8_t*>(dense.values), dense.type, static_cast<size_t>(index) * in + i);
      return;
    }
    const int block = index / LANES, lane = index % LANES, groups = in / packed.group;
    const uint8_t* at = packed.values + block * packed.blockBytes();
    for (int i = 0; i < in; i++) {
      const uint8_t* scale = packed.scales + (static_cast<size_t>(block) * groups + i / packed.group) * packed.groupBytes();
      to[i] = quantum(at, lane, i) * toFloat(scale, packed.scaleType, lane) + toFloat(scale, packed.scaleType, LANES + lane);
    }
  }

 private:
  int quantum(const uint8_t* block, int lane, int column) const {
    if (!packed.nibbles) return block[static_cast<size_t>(column / 4) * 4 * LANES + lane * 4 + column % 4];
    const uint8_t both = block[static_cast<size_t>(column / 8) * 4 * LANES + lane * 4 + column % 4];
    return column % 8 < 4 ? both & 15 : both >> 4;
  }
};

inline uint32_t packedNumber(const uint8_t* row, int bits, int i) {
  const size_t bit = static_cast<size_t>(i) * bits;
  uint32_t low, high = 0;
  std::memcpy(&low, row + bit / 32 * 4, 4);
  const int shift = bit % 32;
  if (shift + bits > 32) std::memcpy(&high, row + bit / 32 * 4 + 4, 4);
  return static_cast<uint32_t>(((static_cast<uint64_t>(high) << 32 | low) >> shift) & ((1u << bits) - 1));
}

/// Loads matrix number `index` of a tensor. Returns false if a file of the model is missing or too
/// short.
inline bool pack(const Matrix& from, int index, Mappings& files, Threads& threads, Weights& to) {
  to.out = from.out;
  to.in = from.in;
  const uint8_t* weight = files.bytes(from.weight);
  if (!weight) return false;
  if (from.bias) {
    const uint8_t* bias = files.bytes(*from.bias);
    if (!bias) return false;
    to.bias.resize(from.out);
    for (int i = 0; i < from.out; i++) to.bias[i] = toFloat(bias, numberOf(from.bias->type), static_cast<size_t>(index) * from.out + i);
  }
  if (from.bits == 0) {
    const Number type = numberOf(from.weight.type);
    const size_t size = type == Number::f32 ? 4 : 2;
    const size_t bytes = size * from.out * from.in;
    weight += index * bytes;
    if (from.weight.isCopied()) {
      to.values.assign(weight, weight + bytes);
      weight = to.values.data();
    }
    to.dense = {weight, from.in, from.out, type};
    return true;
  }
  const uint8_t *scales = files.bytes(from.scales), *biases = from.mxfp4 ? nullptr : files.bytes(from.biases);
  if (!scales || !(biases || from.mxfp4)) return false;
  const int groups = from.in / from.group, blocks = to.blocks();
  to.packed = {nullptr, nullptr, from.in, from.out, from.group, from.bits <= 4, from.mxfp4, from.mxfp4 ? Number::bf16 : numberOf(from.scales.type)};
  const size_t rowBytes = static_cast<size_t>(from.in) * from.bits / 8;
  to.values.assign(blocks * to.packed.blockBytes(), 0);
  to.scales.assign(static_cast<size_t>(blocks) * groups * to.packed.groupBytes(), 0);
  const size_t size = to.packed.scaleBytes() / LANES;
  threads.each(blocks, [&](int block, int) {
    for (int lane = 0; lane < LANES && block * LANES + lane < from.out; lane++) {
      const size_t row = static_cast<size_t>(index) * from.out + block * LANES + lane;
      uint8_t* at = to.values.data() + block * to.packed.blockBytes();
      for (int i = 0; i < from.in; i++) {
        const uint8_t q = packedNumber(weight + row * rowBytes, from.bits, i);
        if (!to.packed.nibbles) at[static_cast<size_t>(i / 4) * 4 * LANES + lane * 4 + i % 4] = q;
        else at[static_cast<size_t>(i / 8) * 4 * LANES + lane * 4 + i % 4] |= i % 8 < 4 ? q : q << 4;
      }
      uint8_t* scale = to.scales.data() + static_cast<size_t>(block) * groups * to.packed.groupBytes() + lane * size;
      for (int g = 0; g < groups; g++, scale += to.packed.groupBytes()) {
        if (from.mxfp4) {
          const uint16_t half = halfScale(scales[row * groups + g]);
          std::memcpy(scale, &half, sizeof half);
          continue;
        }
        std::memcpy(scale, scales + (row * groups + g) * size, size);
        std::memcpy(scale + LANES * size, biases + (row * groups + g) * size, size);
      }
    }
  });
  to.packed.values = to.values.data();
  to.packed.scales = to.scales.data();
  return true;
}

}  // namespace dinf::cpu
