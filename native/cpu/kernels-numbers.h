// Vectors of numbers that fit one register, and what several kernels compute with them.
//
// GCC keeps a vector that is wider than the registers, and every array of such vectors, in memory:
// each sum is then stored and loaded again for each product. Loops that sum up therefore use arrays
// of registers. Where the order of a sum matters, it has LANES lanes whatever the width of the
// registers, so that all instruction sets make the same result.
#include <string.h>

namespace dinf::cpu {
namespace {

#if defined(__AVX512F__)
constexpr int REGISTER_BYTES = 64;
#elif defined(__AVX__)
constexpr int REGISTER_BYTES = 32;
#else
constexpr int REGISTER_BYTES = 16;
#endif
typedef float Register __attribute__((vector_size(REGISTER_BYTES)));
typedef int32_t IntRegister __attribute__((vector_size(REGISTER_BYTES)));

/// Number of floats in a register, and of registers for LANES floats.
constexpr int WIDTH = REGISTER_BYTES / sizeof(float);
constexpr int PARTS = LANES / WIDTH;

/// A number that the compiler knows, as a parameter.
template <int N>
struct Size { static constexpr int VALUE = N; };

inline Register spread(float x) { return Register{} + x; }
inline Register load(const float* from) { Register v; memcpy(&v, from, sizeof v); return v; }
inline void store(float* to, Register v) { memcpy(to, &v, sizeof v); }

/// Adds up LANES numbers.
inline float total(const Register* parts) {
  float lanes[LANES];
  memcpy(lanes, parts, sizeof lanes);
  for (int half = LANES / 2; half > 2; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

/// Computes e^x with a relative error of 2e-7.
inline Register exponential(Register x) {
  x = x < -87.0f ? spread(-87.0f) : x;
  x = x > 88.0f ? spread(88.0f) : x;
  Register whole = x * 1.44269504f + 12582912.0f;
  const IntRegister power = (IntRegister)whole;
  whole = whole - 12582912.0f;
  Register rest = x - whole * 0.693359375f;
  rest = rest + whole * 2.12194440e-4f;
  Register p = spread(1.9875691500e-4f);
  p = p * rest + 1.3981999507e-3f;
  p = p * rest + 8.3334519073e-3f;
  p = p * rest + 4.1665795894e-2f;
  p = p * rest + 1.6666665459e-1f;
  p = p * rest + 5.0000001201e-1f;
  p = p * rest * rest + rest + 1.0f;
  return p * (Register)((power - 0x4B400000 + 127) << 23);
}

/// Returns the largest of n numbers and of `most`. NaN counts for nothing, unless it is `most`.
inline float largestOf(const float* x, int n, float most) {
  Register parts[PARTS];
  for (int p = 0; p < PARTS; p++) parts[p] = spread(most);
  int i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int p = 0; p < PARTS; p++) {
      const Register v = load(x + i + p * WIDTH);
      parts[p] = v > parts[p] ? v : parts[p];
    }
  float lanes[LANES];
  memcpy(lanes, parts, sizeof lanes);
  for (int lane = 0; lane < LANES; lane++) most = lanes[lane] > most ? lanes[lane] : most;
  for (; i < n; i++) most = x[i] > most ? x[i] : most;
  return most;
}

/// Loads n numbers, and fills the other lanes of the register with `rest`. The end of a row then takes
/// the same instructions as its middle, so a number's result does not depend on its position.
inline Register loadPart(const float* from, int n, float rest) {
  if (n >= WIDTH) return load(from);
  Register v = spread(rest);
  if (n > 0) memcpy(&v, from, n * sizeof(float));
  return v;
}

/// Multiplies two rows of n numbers.
inline float dot(const float* a, const float* b, int n) {
  Register sums[PARTS] = {};
  int i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int p = 0; p < PARTS; p++) sums[p] += load(a + i + p * WIDTH) * load(b + i + p * WIDTH);
  for (int p = 0, at = i; at < n; p++, at += WIDTH) sums[p] += loadPart(a + at, n - at, 0) * loadPart(b + at, n - at, 0);
  return total(sums);
}

}  // namespace
}  // namespace dinf::cpu
