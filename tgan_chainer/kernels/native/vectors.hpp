// Vectors of floats, in the extension that GCC and Clang share, and how they come out of memory.
#pragma once
#include <cstring>
#include <utility>

namespace TARGET {

// Floats that a register of the target holds.
#if defined(__AVX512F__)
constexpr int WIDTH = 16;
#elif defined(__AVX2__)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;
#endif

template <int lanes>
struct VectorOf {
  typedef float type __attribute__((vector_size(4 * lanes)));
};
template <int lanes>
using Vector = typename VectorOf<lanes>::type;

template <int lanes>
inline Vector<lanes> load(const float *from) {
  Vector<lanes> v;
  memcpy(&v, from, sizeof v);
  return v;
}

// Only the first n elements, the others zero. The last ones of a batch are rare: out of the way of the
// others.
template <int lanes>
__attribute__((noinline, cold)) Vector<lanes> load_some(const float *from, int n) {
  Vector<lanes> v{};
  for (int i = 0; i < n; i++) v[i] = from[i];
  return v;
}

template <int lanes>
inline Vector<lanes> load(const float *from, int n) {
  return __builtin_expect(n == lanes, 1) ? load<lanes>(from) : load_some<lanes>(from, n);
}

template <class V>
inline void store(float *to, const V &v) {
  memcpy(to, &v, sizeof v);
}

template <class V>
__attribute__((noinline, cold)) void store_some(float *to, V v, int n) {
  for (int i = 0; i < n; i++) to[i] = v[i];
}

template <class V>
inline void store(float *to, const V &v, int n) {
  __builtin_expect(n == int(sizeof v / 4), 1) ? store(to, v) : store_some(to, v, n);
}

// Transpose a square: exchange its off-diagonal blocks of 1, 2, 4, ... elements.
template <int lanes, int block, int... i>
inline void exchange_blocks(Vector<lanes> *rows, std::integer_sequence<int, i...>) {
  for (int a = 0; a < lanes; a++) {
    if (a & block) continue;
    Vector<lanes> upper = rows[a], lower = rows[a + block];
    rows[a] = __builtin_shufflevector(upper, lower, (i & block ? lanes + (i ^ block) : i)...);
    rows[a + block] = __builtin_shufflevector(upper, lower, (i & block ? lanes + i : i ^ block)...);
  }
}

template <int lanes, int block = 1>
inline void transpose(Vector<lanes> *rows) {
  if constexpr (block < lanes) {
    exchange_blocks<lanes, block>(rows, std::make_integer_sequence<int, lanes>());
    transpose<lanes, 2 * block>(rows);
  }
}

}  // namespace TARGET
