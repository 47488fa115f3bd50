// Compiled once for each target, with the compiler's options for it and TARGET as its name.
//
// No functions of the standard library that headers define: the linker would keep one of the targets' copies,
// which another processor might not understand.
#include <cstdlib>

#include "elementwise.hpp"
#include "filtering.hpp"
#include "target.hpp"

namespace TARGET {

template <int lanes, class Z, class Y, class X>
bool convolve(int, const Geometry &geometry, const float *x, const float *W, const float *bias, float *y,
              int threads) {
  Filtering<lanes, Z, Y, X> filtering(geometry, threads);
  return filtering && filtering.convolve(x, W, bias, y);
}

template <int lanes, class Z, class Y, class X>
bool run(int operation, const Geometry &geometry, const float *a, const float *b, const float *bias,
         float *to, int threads) {
  if (operation == 0) return convolve<lanes, Z, Y, X>(0, geometry, a, b, bias, to, threads);
  Filtering<lanes, Z, Y, X> filtering(geometry, threads);
  if (!filtering) return false;
  return operation == 1 ? filtering.deconvolve(a, b, bias, to) : filtering.kernel_gradient(a, b, to);
}

// Vectors that transforms work on: of AVX-512 only half of one, since batches are small.
constexpr int LANES = WIDTH < 8 ? 4 : 8;

bool filter(int operation, const long *numbers, const float *a, const float *b, const float *bias, float *to,
            int threads) {
  Geometry g;
  memcpy(&g, numbers, sizeof g);
  auto has_taps = [&](int axis, int taps) {
    return divide_up(g.kernel[axis], g.stride[axis]) == taps && g.small[axis] > 1;
  };
  auto use = [&](auto run) { return run(operation, g, a, b, bias, to, threads); };
  // Between few channels transforms take longer than the products that they save, where direct sums read
  // arrays in place: in the last doubling of a G1 of width/8 (4 and 8 channels) 5 ms instead of 3. But
  // products of one row or two are slow.
  const bool is_narrow = g.n % COLUMNS == 0 && g.large_channels * g.small_channels <= 32 &&
                         (operation != 1 || g.large_channels >= 3);
  if (has_taps(1, 2) && has_taps(2, 2) && !is_narrow)
    return use(has_taps(0, 2) ? run<LANES, TwoTaps, TwoTaps, TwoTaps>
                              : run<LANES, DirectSum, TwoTaps, TwoTaps>);
  if (is_narrow || g.large_channels < 8 || !has_taps(1, 3) || !has_taps(2, 3))
    return use(run<LANES, DirectSum, DirectSum, DirectSum>);
  if (!has_taps(0, 3)) return use(run<LANES, DirectSum, ThreeTaps, ThreeTaps>);
  if (operation != 0) return use(run<LANES, ThreeTaps, ThreeTaps, ThreeTaps>);
  // C3D scores videos in small batches, for which vectors of fewer lanes waste less. On short axes there are
  // too few tiles for what a kernel of 144 products costs.
  if (smaller(g.small[1], g.small[2]) > 16)
    return use(g.n <= 4 ? convolve<4, ThreeTaps, ThreeTapsToFour, ThreeTapsToFour>
                        : convolve<LANES, ThreeTaps, ThreeTapsToFour, ThreeTapsToFour>);
  return use(g.n <= 4 ? convolve<4, ThreeTaps, ThreeTaps, ThreeTaps>
                      : convolve<LANES, ThreeTaps, ThreeTaps, ThreeTaps>);
}

#define STRING(name) #name
#define NAME(name) STRING(name)
extern const tgan::Target target;
const tgan::Target target{NAME(TARGET),
                          filter,
                          normalize,
                          find_statistics,
                          normalize_backward,
                          normalize_backward_of_part,
                          leaky_relu,
                          tanh,
                          tanh_backward,
                          copy,
                          pool,
                          rmsprop};

}  // namespace TARGET
