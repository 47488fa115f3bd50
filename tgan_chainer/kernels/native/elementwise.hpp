// Batch normalization with the leaky ReLU after it, leaky ReLU alone, tanh, copies, pooling and RMSprop: each
// in as few passes over memory, whose speed is their limit, as there can be.
#pragma once
#include "target.hpp"
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

// One channel of one of the batches. Scale and shift of the normalization are γ / sqrt(var + ε) and
// β - mean γ / sqrt(var + ε).
class Row {
  const tgan::Normalization &of;
  const long channel, batch, run, first;  // first: its first element
  float &mean, &var;

  double inverse_deviation() const { return 1 / __builtin_sqrt(double(var) + of.eps); }
  float scale() const { return float(of.gamma[channel] * inverse_deviation()); }
  float shift() const { return (of.beta ? of.beta[channel] : 0) - mean * scale(); }

  // That before the leaky ReLU, of an element and the output's gradient there. The output need not be kept:
  // its sign is that of the same sum, computed again.
  auto gradient_before_relu() const {
    const float factor = scale(), term = shift(), slope = of.slope;
    return [=](auto v, auto of_output) { return leaky(v * factor + term, of_output, slope); };
  }

  // Call function(first element, number of elements) for blocks of whole runs.
  template <class Function>
  inline void for_blocks(Function function) const {
    const long block = run < SUMMED ? SUMMED / run * run : run;
    for (long i = 0; i < of.length; i += block) function(i, of.length - i < block ? of.length - i : block);
  }

  // Call function(lanes, part, place in memory) for n of the elements, as for_vectors does.
  template <class Function>
  inline void for_elements(long start, long n, Function function) const {
    long place = first + start * of.batches + batch * run;
    const long step = run * of.batches;
    if (run == WIDTH) {  // as below, in half the time
      for (long i = 0; i < n; i += run, place += step) function(Number<WIDTH>(), Number<0>(), place);
      return;
    }
    for (long i = 0; i < n; i += run, place += step)
      for_vectors(n - i < run ? n - i : run,
                  [&](auto lanes, auto part, long k) { function(lanes, part, place + k); });
  }

 public:
  Row(const tgan::Normalization &of, long channel, long batch)
      : of(of),
        channel(channel),
        batch(batch),
        run(of.batches == 1 ? SUMMED : of.run),
        first(channel * of.batches * of.length),
        mean(of.mean[batch * of.channels + channel]),
        var(of.var[batch * of.channels + channel]) {}

  // Mean and variance of each block, joined as by Chan, Golub and LeVeque (1983).
  void find_statistics(const float *x) const {
    double center = 0, squares = 0;
    for_blocks([&](long start, long n) {
      Sum elements, deviations;
      for_elements(start, n, [&](auto lanes, auto part, long i) { elements.add(load<lanes>(x + i), part); });
      const float mean = float(elements.total() / n);
      for_elements(start, n, [&](auto lanes, auto part, long i) {
        auto deviation = load<lanes>(x + i) - mean;
        deviations.add(deviation * deviation, part);
      });
      const double difference = mean - center, share = double(n) / (start + n);
      center += difference * share;
      squares += deviations.total() + difference * difference * share * start;
    });
    mean = float(center);
    var = float(squares / of.length);
  }

  void normalize(const float *x, float *y) const {
    const float factor = scale(), term = shift(), slope = of.slope;
    for_elements(0, of.length, [=](auto lanes, auto, long i) {
      auto h = load<lanes>(x + i) * factor + term;
      store(y + i, leaky(h, h, slope));
    });
  }

  // x and gradient gy of the output → gradients of γ and β.
  void parameter_gradients(const float *x, const float *gy, float *ggamma, float *gbeta) const {
    const float center = mean;
    auto gradient = gradient_before_relu();
    double sum = 0, product = 0;
    for_blocks([&](long start, long n) {
      Sum gradients, products;
      for_elements(start, n, [&](auto lanes, auto part, long i) {
        auto v = load<lanes>(x + i);
        auto g = gradient(v, load<lanes>(gy + i));
        gradients.add(g, part);
        products.add(g * (v - center), part);
      });
      sum += gradients.total();
      product += products.total();
    });
    ggamma[batch * of.channels + channel] = float(product * inverse_deviation());
    gbeta[batch * of.channels + channel] = float(sum);
  }

  // gx = scale (g - (gβ + x̂ gγ) / count), x̂ the normalized x; gγ and gβ are sums over `count` elements.
  void input_gradient(const float *x, const float *gy, const float *ggamma, const float *gbeta, double count,
                      float *gx) const {
    const long index = batch * of.channels + channel;
    const float factor = scale();
    const float of_deviation = of.is_fixed ? 0 : float(-factor * inverse_deviation() * ggamma[index] / count);
    const float constant =
        of.is_fixed ? 0 : float(-factor * double(gbeta[index]) / count - double(of_deviation) * mean);
    auto gradient = gradient_before_relu();
    for_elements(0, of.length, [=](auto lanes, auto, long i) {
      auto v = load<lanes>(x + i);
      store(gx + i, gradient(v, load<lanes>(gy + i)) * factor + (v * of_deviation + constant));
    });
  }
};

// Call function(row, whether its statistics are fixed) for every channel of every batch.
template <class Function>
inline bool for_rows(const tgan::Normalization &of, Function function) {
  return for_parts(of.channels, 0, of.threads, [&](long channel, float *) {
    for (long batch = 0; batch < of.batches; batch++) function(Row(of, channel, batch), of.is_fixed);
  });
}

// x → y, and mean and var unless they are fixed.
inline bool normalize(const tgan::Normalization &of, const float *x, float *y) {
  return for_rows(of, [=](const Row &row, bool is_fixed) {
    if (!is_fixed) row.find_statistics(x);
    row.normalize(x, y);
  });
}

// x → mean and var.
inline bool find_statistics(const tgan::Normalization &of, const float *x) {
  return for_rows(of, [=](const Row &row, bool) { row.find_statistics(x); });
}

// x and gradient gy of the output → gx (or null), gradients of γ and β.
inline bool normalize_backward(const tgan::Normalization &of, const float *x, const float *gy, float *gx,
                               float *ggamma, float *gbeta) {
  const double count = of.length;
  return for_rows(of, [=](const Row &row, bool) {
    row.parameter_gradients(x, gy, ggamma, gbeta);
    if (gx) row.input_gradient(x, gy, ggamma, gbeta, count, gx);
  });
}

// The same gx where the gradients of γ and β are known: sums over `count` elements, of which x has a part.
inline bool normalize_backward_of_part(const tgan::Normalization &of, const float *x, const float *gy,
                                       float *gx, const float *ggamma, const float *gbeta, double count) {
  return for_rows(of, [=](const Row &row, bool) { row.input_gradient(x, gy, ggamma, gbeta, count, gx); });
}

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

// tanh x = x p(x²) / q(x²) for |x| < 9, beyond which the nearest float32 is 1 or -1. The polynomials are
// fitted to a relative error of 2e-8; rounding makes it 4e-7.
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
    for_vectors(length,
                [=](auto lanes, auto, long i) { store(y + start + i, tanh_of(load<lanes>(x + start + i))); });
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

// Squares that fit into the registers are transposed there; the last one of a row may overlap the one before.
// Of the two sides the one whose rows lie further apart has its loop outside, so that few of its rows are in
// use at a time: distances are often powers of two, of which the cache holds eight at most.
inline bool copy(const tgan::Copy &of, const float *from, float *to, int threads) {
  constexpr int SIDE = WIDTH < 8 ? WIDTH : 8;
  constexpr long BLOCKS[3] = {1, 16, 64};  // elements of the first axes that are copied at a time
  const long *n = of.lengths, *step = of.from_steps, *to_step = of.to_steps;
  auto count = [=](int axis) { return (n[axis] + BLOCKS[axis] - 1) / BLOCKS[axis]; };
  return for_parts(n[0] * count(1) * count(2), 0, threads, [=](long part, float *) {
    const long a = part / (count(1) * count(2)), b = part / count(2) % count(1) * BLOCKS[1],
               c = part % count(2) * BLOCKS[2];
    const long end_b = n[1] - b < BLOCKS[1] ? n[1] : b + BLOCKS[1];
    const long end_c = n[2] - c < BLOCKS[2] ? n[2] : c + BLOCKS[2];
    auto transpose_square = [=](long i, long j, long k) {
      if (j + SIDE > end_c && end_c - c >= SIDE) j = end_c - SIDE;
      if (k + SIDE > n[3] && n[3] >= SIDE) k = n[3] - SIDE;
      const float *first = from + a * step[0] + i * step[1] + j + k * step[3];
      float *first_to = to + a * to_step[0] + i * to_step[1] + j * to_step[2] + k;
      const int rows = int(n[3] - k < SIDE ? n[3] - k : SIDE);
      const int columns = int(end_c - j < SIDE ? end_c - j : SIDE);
      Vector<SIDE> square[SIDE];
      for (int r = 0; r < SIDE; r++)
        square[r] = r < rows ? load<SIDE>(first + r * step[3], columns) : Vector<SIDE>{};
      transpose<SIDE>(square);
      for (int r = 0; r < columns; r++) store(first_to + r * to_step[2], square[r], rows);
    };
    if (step[3] > to_step[2]) {
      for (long k = 0; k < n[3]; k += SIDE)
        for (long i = b; i < end_b; i++)
          for (long j = c; j < end_c; j += SIDE) transpose_square(i, j, k);
    } else {
      for (long j = c; j < end_c; j += SIDE)
        for (long i = b; i < end_b; i++)
          for (long k = 0; k < n[3]; k += SIDE) transpose_square(i, j, k);
    }
  });
}

// x (rows, length, run) → y (rows, ⌈length / 2⌉, run): the larger of each two neighbours; of an odd number,
// the last one itself. What is no number stays so.
inline bool pool(long rows, long length, long run, const float *x, float *y, int threads) {
  const long halved = (length + 1) / 2;
  return for_parts(rows, 0, threads, [=](long row, float *) {
    for (long i = 0; i < halved; i++) {
      const float *a = x + (row * length + 2 * i) * run, *b = 2 * i + 1 < length ? a + run : a;
      float *to = y + (row * halved + i) * run;
      for (long k = 0; k < run; k++) to[k] = a[k] < b[k] || b[k] != b[k] ? b[k] : a[k];
    }
  });
}

// Of each parameter: its number of elements, its values, the mean square of its gradients, its gradient.
inline bool rmsprop(long count, const long *sizes, float *const *values, float *const *squares,
                    const float *const *gradients, float learning_rate, float alpha, float eps, int threads) {
  long pieces = 0;
  for (long p = 0; p < count; p++) pieces += (sizes[p] + PIECE - 1) / PIECE;
  return for_parts(pieces, 0, threads, [=](long part, float *) {
    long p = 0;
    for (; part >= (sizes[p] + PIECE - 1) / PIECE; p++) part -= (sizes[p] + PIECE - 1) / PIECE;
    const long start = part * PIECE, length = sizes[p] - start < PIECE ? sizes[p] - start : PIECE;
    float *value = values[p] + start, *square = squares[p] + start;
    const float *gradient = gradients[p] + start;
    for (long i = 0; i < length; i++) {
      square[i] = alpha * square[i] + (1 - alpha) * gradient[i] * gradient[i];
      value[i] -= learning_rate * gradient[i] / (__builtin_sqrtf(square[i]) + eps);
    }
  });
}

}  // namespace TARGET
