// Batch normalization with the leaky ReLU after it, leaky ReLU alone, tanh and RMSprop: each in as few passes over
// memory, whose speed is their limit, as there can be.
#pragma once
#include "threads.hpp"
#include "vectors.hpp"

namespace TARGET {

using tgan::for_parts;

// Elements summed in float32 before they enter a sum in float64: 16 kB, which stay in the nearest cache.
constexpr long SUMMED = 4096;
// Elements that one thread takes at a time.
constexpr long PIECE = 1 << 16;

template <int n>
using Number = std::integral_constant<int, n>;

// Call function(lanes, part, i) for all elements i < n: `lanes` of them at a time, 1 for the last ones. Every
// fourth call has the same part: sums in four parts hide the additions' latency.
template <class Function>
inline void for_vectors(long n, Function function) {
  constexpr Number<WIDTH> lanes;
  long i = 0;
  for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
    function(lanes, Number<0>(), i);
    function(lanes, Number<1>(), i + WIDTH);
    function(lanes, Number<2>(), i + 2 * WIDTH);
    function(lanes, Number<3>(), i + 3 * WIDTH);
  }
  for (; i + WIDTH <= n; i += WIDTH) function(lanes, Number<0>(), i);
  for (; i < n; i++) function(Number<1>(), Number<0>(), i);
}

struct Sum {
  Vector<WIDTH> parts[4] = {};
  float rest = 0;

  inline void add(const Vector<WIDTH> &v, int part) { parts[part] += v; }
  inline void add(const Vector<1> &v, int) { rest += v[0]; }
  double total() const {
    Vector<WIDTH> sum = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    double total = rest;
    for (int i = 0; i < WIDTH; i++) total += sum[i];
    return total;
  }
};

template <class V>
inline V leaky(const V &x, const V &other, float slope) {
  return x > 0 ? other : slope * other;
}

// Rows are channels: C of them, of `length` elements. Scale and shift of the normalization are
// γ / sqrt(var + ε) and β - mean γ / sqrt(var + ε); without a β it is null.
struct Normalization {
  long channels, length;
  const float *gamma, *beta;
  float *mean, *var;
  float eps, slope;
  bool is_fixed;  // by a mean and a variance that are given, and have no gradient
  int threads;

  double inverse_deviation(long c) const { return 1 / __builtin_sqrt(double(var[c]) + eps); }
  float scale(long c) const { return float(gamma[c] * inverse_deviation(c)); }
  float shift(long c) const { return (beta ? beta[c] : 0) - mean[c] * scale(c); }

  // x → y, mean and var.
  bool forward(const float *x, float *y) const {
    return for_parts(channels, 0, threads, [=](long c, float *) {
      const float *from = x + c * length;
      float *to = y + c * length;
      if (!is_fixed) find_statistics(from, c);
      const float factor = scale(c), term = shift(c), slope = this->slope;
      for_vectors(length, [=](auto lanes, auto, long i) {
        auto h = load<lanes>(from + i) * factor + term;
        store(to + i, leaky(h, h, slope));
      });
    });
  }

  // x → mean and var.
  bool statistics(const float *x) const {
    return for_parts(channels, 0, threads, [=](long c, float *) { find_statistics(x + c * length, c); });
  }

  // That before the leaky ReLU, of an element and the output's gradient there. The output need not be kept:
  // its sign is that of the same sum, computed again.
  auto gradient_before_relu(long c) const {
    const float factor = scale(c), term = shift(c), slope = this->slope;
    return [=](auto v, auto of_output) { return leaky(v * factor + term, of_output, slope); };
  }

  // gx = scale (g - (Σ g + x̂ Σ g x̂) / count), x̂ the normalized x
  void input_gradient(const float *of_x, const float *of_y, long c, double sum, double product, double count,
                      float *to) const {
    const double inverse = inverse_deviation(c);
    const float factor = scale(c), center = mean[c];
    auto gradient = gradient_before_relu(c);
    const float of_deviation = is_fixed ? 0 : float(-factor * inverse * inverse * product / count);
    const float constant = is_fixed ? 0 : float(-factor * sum / count - double(of_deviation) * center);
    for_vectors(length, [=](auto lanes, auto, long i) {
      auto v = load<lanes>(of_x + i);
      store(to + i, gradient(v, load<lanes>(of_y + i)) * factor + (v * of_deviation + constant));
    });
  }

  // x and gradient gy of the output → gx (or null), gradients of γ and β.
  bool backward(const float *x, const float *gy, float *gx, float *ggamma, float *gbeta) const {
    return for_parts(channels, 0, threads, [=](long c, float *) {
      const float *of_x = x + c * length, *of_y = gy + c * length;
      const float center = mean[c];
      auto gradient = gradient_before_relu(c);
      double sum = 0, product = 0;
      for (long start = 0; start < length; start += SUMMED) {
        Sum gradients, products;
        for_vectors(length - start < SUMMED ? length - start : SUMMED, [&](auto lanes, auto part, long i) {
          auto v = load<lanes>(of_x + start + i);
          auto g = gradient(v, load<lanes>(of_y + start + i));
          gradients.add(g, part);
          products.add(g * (v - center), part);
        });
        sum += gradients.total();
        product += products.total();
      }
      ggamma[c] = float(product * inverse_deviation(c));
      gbeta[c] = float(sum);
      if (gx) input_gradient(of_x, of_y, c, sum, product, length, gx + c * length);
    });
  }

  // The same gx where the gradients of γ and β are known: sums over a batch of `count` elements a channel, of
  // which x is a part.
  bool backward_of_part(const float *x, const float *gy, const float *ggamma, const float *gbeta, double count,
                        float *gx) const {
    return for_parts(channels, 0, threads, [=](long c, float *) {
      const double product = ggamma[c] / inverse_deviation(c);
      input_gradient(x + c * length, gy + c * length, c, gbeta[c], product, count, gx + c * length);
    });
  }

 private:
  // Mean and variance of each block, joined as by Chan, Golub and LeVeque (1983).
  void find_statistics(const float *x, long c) const {
    double center = 0, squares = 0;
    for (long start = 0; start < length; start += SUMMED) {
      const long n = length - start < SUMMED ? length - start : SUMMED;
      Sum elements, deviations;
      for_vectors(n, [&](auto lanes, auto part, long i) { elements.add(load<lanes>(x + start + i), part); });
      const float mean = float(elements.total() / n);
      for_vectors(n, [&](auto lanes, auto part, long i) {
        auto deviation = load<lanes>(x + start + i) - mean;
        deviations.add(deviation * deviation, part);
      });
      const double difference = mean - center, share = double(n) / (start + n);
      center += difference * share;
      squares += deviations.total() + difference * difference * share * start;
    }
    mean[c] = float(center);
    var[c] = float(squares / length);
  }
};

// Call function(first element, number of elements) for pieces of n elements.
template <class Function>
inline bool for_pieces(long n, int threads, Function function) {
  return for_parts((n + PIECE - 1) / PIECE, 0, threads, [=](long part, float *) {
    function(part * PIECE, n - part * PIECE < PIECE ? n - part * PIECE : PIECE);
  });
}

// to = other where x > 0, else slope times other: of x itself the leaky ReLU, of a gradient its derivative's
// product.
inline bool leaky_relu(long n, const float *x, const float *other, float *to, float slope, int threads) {
  return for_pieces(n, threads, [=](long start, long length) {
    for_vectors(length, [=](auto lanes, auto, long i) {
      store(to + start + i, leaky(load<lanes>(x + start + i), load<lanes>(other + start + i), slope));
    });
  });
}

// tanh x = x p(x²) / q(x²) for |x| < 9, beyond which the nearest float32 is 1 or -1. The polynomials are fitted
// to a relative error of 2e-8; rounding makes it 4e-7.
template <class V>
inline V tanh_of(V x) {
  const V limit = V{} + 9, one = V{} + 1;
  x = x > limit ? limit : x < -limit ? -limit : x;
  const V t = x * x;
  const V p = (((1.33199918e-8f * t + 2.05842088e-5f) * t + 3.49408137e-3f) * t + 0.133797582f) * t + one;
  const V q = (((7.76241499e-7f * t + 3.2831676e-4f) * t + 2.58712538e-2f) * t + 0.467130734f) * t + one;
  const V y = x * p / q;
  return y > one ? one : y < -one ? -one : y;
}

inline bool tanh(long n, const float *x, float *y, int threads) {
  return for_pieces(n, threads, [=](long start, long length) {
    for_vectors(length, [=](auto lanes, auto, long i) {
      store(y + start + i, tanh_of(load<lanes>(x + start + i)));
    });
  });
}

// From the output y: gx = gy (1 - y²).
inline bool tanh_backward(long n, const float *y, const float *gy, float *gx, int threads) {
  return for_pieces(n, threads, [=](long start, long length) {
    for_vectors(length, [=](auto lanes, auto, long i) {
      auto v = load<lanes>(y + start + i);
      store(gx + start + i, load<lanes>(gy + start + i) * (1 - v * v));
    });
  });
}

struct RMSprop {
  float learning_rate, alpha, eps;

  // Of each parameter: its number of elements, its values, the mean square of its gradients, its gradient.
  bool update(long count, const long *sizes, float *const *values, float *const *squares,
              const float *const *gradients, int threads) const {
    long pieces = 0;
    for (long p = 0; p < count; p++) pieces += (sizes[p] + PIECE - 1) / PIECE;
    const RMSprop rule = *this;
    return for_parts(pieces, 0, threads, [=](long part, float *) {
      long p = 0;
      for (; part >= (sizes[p] + PIECE - 1) / PIECE; p++) part -= (sizes[p] + PIECE - 1) / PIECE;
      const long start = part * PIECE, length = sizes[p] - start < PIECE ? sizes[p] - start : PIECE;
      float *value = values[p] + start, *square = squares[p] + start;
      const float *gradient = gradients[p] + start;
      for (long i = 0; i < length; i++) {
        square[i] = rule.alpha * square[i] + (1 - rule.alpha) * gradient[i] * gradient[i];
        value[i] -= rule.learning_rate * gradient[i] / (__builtin_sqrtf(square[i]) + rule.eps);
      }
    });
  }
};

}  // namespace TARGET
