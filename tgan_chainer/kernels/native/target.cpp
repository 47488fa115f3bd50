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

bool filter_axes(int operation, const Geometry &g, const float *a, const float *b, const float *bias,
                 float *to, int threads) {
  auto has_taps = [&](int axis, int taps) {
    return divide_up(g.kernel[axis], g.stride[axis]) == taps && g.small[axis] > 1;
  };
  auto use = [&](auto run) { return run(operation, g, a, b, bias, to, threads); };
  if (has_taps(1, 2) && has_taps(2, 2))
    return use(has_taps(0, 2) ? run<LANES, TwoTaps, TwoTaps, TwoTaps>
                              : run<LANES, DirectSum, TwoTaps, TwoTaps>);
  // On fewer channels the transforms take longer than the products that they save.
  if (g.large_channels < 8 || !has_taps(1, 3) || !has_taps(2, 3))
    return use(run<LANES, DirectSum, DirectSum, DirectSum>);
  if (!has_taps(0, 3)) return use(run<LANES, DirectSum, ThreeTaps, ThreeTaps>);
  // C3D scores videos in small batches, for which vectors of fewer lanes waste less.
  return use(g.n <= 4 ? run<4, ThreeTaps, ThreeTaps, ThreeTaps>
                      : run<LANES, ThreeTaps, ThreeTaps, ThreeTaps>);
}

// The adjoint of a convolution of stride 1, as the convolution by the kernel turned round that it also is.
bool turn_round(const Geometry &g, const float *y, const float *W, const float *bias, float *x, int threads) {
  Geometry turned = g;
  turned.large_channels = g.small_channels, turned.small_channels = g.large_channels;
  for (int axis = 0; axis < 3; axis++) {
    turned.large[axis] = g.small[axis], turned.small[axis] = g.large[axis];
    turned.pad[axis] = g.kernel[axis] - 1 - g.pad[axis];
  }
  const long n_taps = g.kernel[0] * g.kernel[1] * g.kernel[2];
  float *kernel = (float *)malloc(4 * g.large_channels * g.small_channels * n_taps);
  if (!kernel) return false;
  for (long m = 0; m < g.small_channels; m++)
    for (long c = 0; c < g.large_channels; c++)
      for (long k = 0; k < n_taps; k++)
        kernel[(c * g.small_channels + m) * n_taps + n_taps - 1 - k] =
            W[(m * g.large_channels + c) * n_taps + k];
  bool done = run<LANES, DirectSum, DirectSum, DirectSum>(0, turned, y, kernel, bias, x, threads);
  free(kernel);
  return done;
}

bool filter(int operation, const long *numbers, const float *a, const float *b, const float *bias, float *to,
            int threads) {
  Geometry g;
  memcpy(&g, numbers, sizeof g);
  const bool has_stride_1 = g.stride[0] == 1 && g.stride[1] == 1 && g.stride[2] == 1;
  if (operation == 1 && has_stride_1 && g.large_channels < 8) return turn_round(g, a, b, bias, to, threads);
  return filter_axes(operation, g, a, b, bias, to, threads);
}

bool normalize(long channels, long length, const float *x, const float *gamma, const float *beta, float *mean,
               float *var, float *y, float eps, float slope, bool is_fixed, int threads) {
  return Normalization{channels, length, gamma, beta, mean, var, eps, slope, is_fixed, threads}.forward(x, y);
}

bool normalize_backward(long channels, long length, const float *x, const float *gamma, const float *beta,
                        float *mean, float *var, const float *gy, float *gx, float *ggamma, float *gbeta,
                        float eps, float slope, bool is_fixed, int threads) {
  const Normalization normalization{channels, length, gamma, beta, mean, var, eps, slope, is_fixed, threads};
  return normalization.backward(x, gy, gx, ggamma, gbeta);
}

bool rmsprop(long count, const long *sizes, float *const *values, float *const *squares,
             const float *const *gradients, float learning_rate, float alpha, float eps, int threads) {
  return RMSprop{learning_rate, alpha, eps}.update(count, sizes, values, squares, gradients, threads);
}

#define STRING(name) #name
#define NAME(name) STRING(name)
extern const tgan::Target target;
const tgan::Target target{NAME(TARGET), filter, normalize, normalize_backward, leaky_relu, rmsprop};

}  // namespace TARGET
