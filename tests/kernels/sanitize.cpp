// Calls every compiled kernel for many shapes, with arrays that end where they end, for a sanitizer to watch.
#include <cstdlib>
#include <memory>
#include <vector>

extern "C" {
bool tgan_filter(int, const long *, const float *, const float *, const float *, float *, int);
bool tgan_normalize(long, long, const float *, const float *, const float *, float *, float *, float *, float,
                    float, bool, int);
bool tgan_normalize_backward(long, long, const float *, const float *, const float *, float *, float *,
                             const float *, float *, float *, float *, float, float, bool, int);
bool tgan_leaky_relu(long, const float *, const float *, float *, float, int);
bool tgan_tanh(long, const float *, float *, int);
bool tgan_tanh_backward(long, const float *, const float *, float *, int);
bool tgan_rmsprop(long, const long *, float *const *, float *const *, const float *const *, float, float,
                  float, int);
}

static std::vector<float> numbers(long n) {
  std::vector<float> result(n);
  for (float &x : result) x = float(rand()) / RAND_MAX - 0.5f;
  result.shrink_to_fit();
  return result;
}

int main() {
  const int threads = 3;
  for (int i = 0; i < 120; i++) {
    // n, channels of the large and the small side; of three axes: large, small, kernel, stride, pad, and of
    // the whole kernel, length and the kernel's first element
    long g[24] = {1 + rand() % 20, 1 + rand() % 9, 1 + rand() % 9}, *large = g + 3, *small = g + 6,
         *kernel = g + 9, *stride = g + 12, *pad = g + 15, *whole = g + 18, *first = g + 21, large_size = 1, small_size = 1, taps = 1;
    for (int axis = 0; axis < 3; axis++) {
      kernel[axis] = i % 3 ? 2 + i % 3 : 1 + rand() % 5, stride[axis] = i % 3 ? 3 - i % 3 : 1 + rand() % 3;
      pad[axis] = rand() % 3;
      large[axis] = kernel[axis] + rand() % 6;
      small[axis] = (large[axis] + 2 * pad[axis] - kernel[axis]) / stride[axis] + 1;
      first[axis] = rand() % 2, whole[axis] = first[axis] + kernel[axis] + rand() % 2;
      large_size *= large[axis], small_size *= small[axis], taps *= whole[axis];
    }
    auto x = numbers(g[1] * large_size * g[0]), y = numbers(g[2] * small_size * g[0]),
         W = numbers(g[1] * g[2] * taps);
    auto bias = numbers(20);
    bool done = tgan_filter(0, g, x.data(), W.data(), bias.data(), y.data(), threads) &&
                tgan_filter(1, g, y.data(), W.data(), bias.data(), x.data(), threads) &&
                tgan_filter(2, g, x.data(), y.data(), nullptr, W.data(), threads);
    const long C = g[1], length = large_size * g[0], sizes[2] = {C * length, C};
    auto gamma = numbers(C), beta = numbers(C), mean = numbers(C), var = numbers(C), to = numbers(C * length);
    done = done &&
           tgan_normalize(C, length, x.data(), gamma.data(), i % 2 ? beta.data() : nullptr, mean.data(),
                          var.data(), to.data(), 1e-5f, 0.2f, i % 4 == 0, threads) &&
           tgan_normalize_backward(C, length, x.data(), gamma.data(), beta.data(), mean.data(), var.data(),
                                   to.data(), i % 3 ? to.data() : nullptr, beta.data(), gamma.data(), 1e-5f,
                                   0.2f, false, threads) &&
           tgan_leaky_relu(C * length, x.data(), to.data(), to.data(), 0.2f, threads) &&
           tgan_tanh(C * length, x.data(), to.data(), threads) &&
           tgan_tanh_backward(C * length, to.data(), x.data(), to.data(), threads);
    float *values[2] = {x.data(), gamma.data()}, *squares[2] = {to.data(), mean.data()};
    auto gradients = numbers(C * length);
    const float *of_values[2] = {gradients.data(), beta.data()};
    if (!done || !tgan_rmsprop(2, sizes, values, squares, of_values, 0.1f, 0.9f, 1e-8f, threads)) return 1;
  }
}
