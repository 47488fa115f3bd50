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
bool run(int operation, const Geometry &geometry, const float *a, const float *b, const float *bias,
         float *to, int threads) {
  Filtering<lanes, Z, Y, X> filtering(geometry, threads);
  if (!filtering) return false;
  switch (operation) {
    case 0:
      return filtering.convolve(a, b, bias, to);
    case 1:
      return filtering.deconvolve(a, b, bias, to);
    default:
      return filtering.kernel_gradient(a, b, to);
  }
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
  // products of one row are slow.
  const bool is_narrow = g.n % COLUMNS == 0 && g.large_channels * g.small_channels <= 32 &&
                         (operation != 1 || g.large_channels >= 4);
  if (has_taps(1, 2) && has_taps(2, 2) && !is_narrow)
    return use(has_taps(0, 2) ? run<LANES, TwoTaps, TwoTaps, TwoTaps>
                              : run<LANES, DirectSum, TwoTaps, TwoTaps>);
  if (is_narrow || g.large_channels < 8 || !has_taps(1, 3) || !has_taps(2, 3))
    return use(run<LANES, DirectSum, DirectSum, DirectSum>);
  if (!has_taps(0, 3)) return use(run<LANES, DirectSum, ThreeTaps, ThreeTaps>);
  // C3D scores videos in small batches, for which vectors of fewer lanes waste less.
  return use(g.n <= 4 ? run<4, ThreeTaps, ThreeTaps, ThreeTaps>
                      : run<LANES, ThreeTaps, ThreeTaps, ThreeTaps>);
}

#define STRING(name) #name
#define NAME(name) STRING(name)
extern const tgan::Target target;
const tgan::Target target{
    NAME(TARGET), filter, normalize,     find_statistics, normalize_backward, normalize_backward_of_part,
    leaky_relu,   tanh,   tanh_backward, rmsprop};

}  // namespace TARGET
