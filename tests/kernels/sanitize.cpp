// Calls every compiled kernel for many shapes, with arrays that end where they end, for a sanitizer to watch,
// and compares the convolutions with sums in loops: also where there is no Python, on another architecture.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "target.hpp"

static const tgan::Target &target = *tgan_target(nullptr);

static std::vector<float> numbers(long n) {
  std::vector<float> result(n);
  for (float &x : result) x = float(rand()) / RAND_MAX - 0.5f;
  result.shrink_to_fit();
  return result;
}

// Call function(large, small, kernel's element) for all that meet, and each pair of channels and example; all
// are places in arrays (C, *axes, N) and (C', C, *whole kernel).
template <class Function>
static void for_all(const long *g, Function function) {
  const long *large = g + 3, *small = g + 6, *kernel = g + 9, *stride = g + 12, *pad = g + 15,
             *whole = g + 18, *first = g + 21;
  long end[8] = {g[2], g[1], kernel[0], kernel[1], kernel[2], small[0], small[1], small[2]}, i[8] = {};
  for (int axis = 0; axis >= 0;) {
    long of_large = i[1], of_small = i[0], of_kernel = i[0] * g[1] + i[1];
    bool exists = true;
    for (int a = 0; a < 3; a++) {
      const long place = i[5 + a] * stride[a] + i[2 + a] - pad[a];
      exists &= place >= 0 && place < large[a];
      of_large = of_large * large[a] + place, of_small = of_small * small[a] + i[5 + a];
      of_kernel = of_kernel * whole[a] + first[a] + i[2 + a];
    }
    for (long n = 0; exists && n < g[0]; n++) function(of_large * g[0] + n, of_small * g[0] + n, of_kernel);
    for (axis = 7; axis >= 0 && ++i[axis] == end[axis]; axis--) i[axis] = 0;
  }
}

static bool is_close(const std::vector<float> &found, const std::vector<double> &expected, const char *name) {
  for (size_t i = 0; i < found.size(); i++)
    if (!(std::fabs(found[i] - expected[i]) < 1e-4 * (1 + std::fabs(expected[i])))) {
      fprintf(stderr, "%s: %g instead of %g at %zu\n", name, found[i], expected[i], i);
      return false;
    }
  return true;
}

// The three operations against sums in float64.
static bool convolves(const long *g, long large_size, long small_size, long taps, int threads) {
  const auto x = numbers(g[1] * large_size * g[0]), y = numbers(g[2] * small_size * g[0]),
             W = numbers(g[1] * g[2] * taps), bias = numbers(20);
  std::vector<float> to_y(y.size()), to_x(x.size()), to_W(W.size());
  std::vector<double> of_y(y.size()), of_x(x.size()), of_W(W.size());
  for (size_t i = 0; i < y.size(); i++) of_y[i] = bias[i / (small_size * g[0])];
  for (size_t i = 0; i < x.size(); i++) of_x[i] = bias[i / (large_size * g[0])];
  for_all(g, [&](long large, long small, long kernel) {
    of_y[small] += double(x[large]) * W[kernel];
    of_x[large] += double(y[small]) * W[kernel];
    of_W[kernel] += double(x[large]) * y[small];
  });
  return target.filter(0, g, x.data(), W.data(), bias.data(), to_y.data(), threads) &&
         target.filter(1, g, y.data(), W.data(), bias.data(), to_x.data(), threads) &&
         target.filter(2, g, x.data(), y.data(), nullptr, to_W.data(), threads) &&
         is_close(to_y, of_y, "convolution") && is_close(to_x, of_x, "its adjoint") &&
         is_close(to_W, of_W, "gradient");
}

int main() {
  const int threads = 3;
  for (int i = 0; i < 120; i++) {
    // n, channels of the large and the small side; of three axes: large, small, kernel, stride, pad, and of
    // the whole kernel, length and the kernel's first element
    long g[24] = {i % 5 ? 1 + rand() % 20 : 32, 1 + rand() % 12, 1 + rand() % 12}, *large = g + 3,
         *small = g + 6, *kernel = g + 9, *stride = g + 12, *pad = g + 15, *whole = g + 18, *first = g + 21;
    long large_size = 1, small_size = 1, taps = 1;
    const long kernels[] = {1 + rand() % 5, 4, 3, 3}, strides[] = {1 + rand() % 3, 2, 1, 2};
    for (int axis = 0; axis < 3; axis++) {
      kernel[axis] = kernels[i % 4], stride[axis] = strides[i % 4];
      pad[axis] = rand() % 3;
      large[axis] = kernel[axis] + rand() % 6 + (axis && i % 8 == 2 ? 14 : 0);
      small[axis] = (large[axis] + 2 * pad[axis] - kernel[axis]) / stride[axis] + 1;
      first[axis] = rand() % 2, whole[axis] = first[axis] + kernel[axis] + rand() % 2;
      large_size *= large[axis], small_size *= small[axis], taps *= whole[axis];
    }
    bool done = convolves(g, large_size, small_size, taps, threads);
    const long C = g[1], batches = 1 + i % 3, length = large_size * g[0], size = C * batches * length;
    const long sizes[2] = {size, C};
    auto x = numbers(size), to = numbers(size), gamma = numbers(C), beta = numbers(C),
         mean = numbers(C * batches), var = numbers(C * batches), ggamma = mean, gbeta = mean;
    auto pooled = numbers(C * ((batches * large_size + 1) / 2) * g[0]);
    const long rows = batches * large_size;
    const tgan::Copy transposition{{1, C, g[0], rows}, {0, rows * g[0], 1, g[0]}, {0, rows * g[0], rows, 1}};
    done = done && target.copy(transposition, x.data(), to.data(), threads);
    for (long k = 0; k < size; k++)
      done = done && to[k / (rows * g[0]) * rows * g[0] + k % g[0] * rows + k / g[0] % rows] == x[k];
    const float *shift = i % 2 ? beta.data() : nullptr;
    tgan::Normalization normalization{C,           batches,    length, g[0], gamma.data(), shift,
                                      mean.data(), var.data(), 1e-5f,  0.2f, threads,      i % 4 == 0};
    done = done && target.normalize(normalization, x.data(), to.data()) &&
           target.find_statistics(normalization, x.data()) &&
           target.normalize_backward(normalization, x.data(), to.data(), i % 3 ? to.data() : nullptr,
                                     ggamma.data(), gbeta.data()) &&
           target.normalize_backward_of_part(normalization, x.data(), to.data(), to.data(), ggamma.data(),
                                             gbeta.data(), 2. * length) &&
           target.leaky_relu(size, x.data(), to.data(), to.data(), 0.2f, threads) &&
           target.tanh(size, x.data(), to.data(), threads) &&
           target.pool(C, batches * large_size, g[0], x.data(), pooled.data(), threads) &&
           target.tanh_backward(size, to.data(), x.data(), to.data(), threads);
    float *values[2] = {x.data(), gamma.data()}, *squares[2] = {to.data(), mean.data()};
    auto gradients = numbers(size);
    const float *of_values[2] = {gradients.data(), beta.data()};
    if (!done || !target.rmsprop(2, sizes, values, squares, of_values, 0.1f, 0.9f, 1e-8f, threads)) return 1;
  }
}
