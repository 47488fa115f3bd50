// Convolution over up to three axes, its adjoint (the deconvolution) and the kernel's gradient, by Winograd's
// minimal filtering.
//
// One axis. A filter of R taps gives M outputs from M + R - 1 inputs x. Winograd (1980) computes them with
// only E = M + R - 1 multiplications, by polynomials that are multiplied at E points (Lavin and Gray 2016):
//
//     y = A ((B x) * (G w)),                                     * element by element.
//
// F(2, 2), points 0, 1, infinity; 3 products instead of 4, and no coefficient but 0 and ±1:
//
//     m0 = (x0 - x1) w0,   m1 = x1 (w0 + w1),   m2 = (x2 - x1) w1;      y0 = m0 + m1,   y1 = m1 + m2.
//
// F(2, 3), points 0, 1, -1, infinity; 4 products instead of 6:
//
//     m0 = (x0 - x2) w0,                     m1 = (x1 + x2) (w0 + w1 + w2) / 2,
//     m3 = (x3 - x1) w2,                     m2 = (x2 - x1) (w0 - w1 + w2) / 2;   y0 = m0 + m1 + m2,   y1 =
//     m1 - m2 + m3.
//
// F(4, 3), points 0, ±3/4, ±3/2, infinity; 6 products instead of 12, for the convolutions of C3D alone: its
// error is three times that of F(2, 3). (With the usual points 0, ±1, ±2 five times: powers of ±3/4 and ±3/2
// lie nearer together.) F(4, 2), whose error is twice that of F(2, 2), did not pay in training.
//
// Strides. A stride of s splits an axis into s phases, elements 0, s, 2s, ...; 1, s + 1, ...; and so on. A
// kernel of k elements is a filter of ⌈k / s⌉ taps for each phase, element r s + q being tap r of phase q,
// and the phases are further channels. So the 4×4×4 kernels of stride 2 of the paper's networks go by F(2,
// 2), 27 products instead of
// 64. Where no minimal filtering fits an axis, each of the kernel's k elements counts as a phase with a
// filter of one tap (M = E = R = 1): the direct sum.
//
// Channels and axes. With a sum over the channels c and phases q, * becomes a matrix product for each of the
// E products; over several axes A, B and G are applied along each of them in turn.
//
// Adjoints. The whole is linear in x, in w and in the gradient of y, so that the same three matrices,
// transposed, give
//
//     convolution      y  = A ((G w) · (B x)),
//     its adjoint      gx = Bᵀ ((G w)ᵀ · (Aᵀ gy)),
//     kernel gradient  gw = Gᵀ ((Aᵀ gy) · (B x)ᵀ).
//
// In memory. Arrays are (C, *axes, N). The *large* side is the input x of the convolution, the *small* one
// its output; an axis of the small side is cut into tiles of M outputs, each of which sees a *window* of the
// large side. A *unit* is a tile of `lanes` elements of the batch: a vector then holds the same element of
// several examples, so that B, A and G work on whole vectors, and units side by side are the columns of the
// matrix products.
#pragma once
#include <cstdlib>

#include "products.hpp"
#include "threads.hpp"

namespace TARGET {

using tgan::for_parts;

struct Identity {
  static constexpr int rows = 1, columns = 1;
  static constexpr float values[1][1] = {{1}};
};

template <class M>
struct Transposed {
  static constexpr int rows = M::columns, columns = M::rows;
};

struct DirectSum {  // one axis
  static constexpr int taps = 1, outputs = 1, products = 1;
  using Input = Identity;
  using Output = Identity;
  using Kernel = Identity;
};

struct TwoTaps {  // F(2, 2)
  static constexpr int taps = 2, outputs = 2, products = 3;
  struct Input {
    static constexpr int rows = 3, columns = 3;
    static constexpr float values[3][3] = {{1, -1, 0}, {0, 1, 0}, {0, -1, 1}};
  };
  struct Output {
    static constexpr int rows = 2, columns = 3;
    static constexpr float values[2][3] = {{1, 1, 0}, {0, 1, 1}};
  };
  struct Kernel {
    static constexpr int rows = 3, columns = 2;
    static constexpr float values[3][2] = {{1, 0}, {1, 1}, {0, 1}};
  };
};

struct ThreeTaps {  // F(2, 3)
  static constexpr int taps = 3, outputs = 2, products = 4;
  struct Input {
    static constexpr int rows = 4, columns = 4;
    static constexpr float values[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}};
  };
  struct Output {
    static constexpr int rows = 2, columns = 4;
    static constexpr float values[2][4] = {{1, 1, 1, 0}, {0, 1, -1, 1}};
  };
  struct Kernel {
    static constexpr int rows = 4, columns = 3;
    static constexpr float values[4][3] = {{1, 0, 0}, {.5f, .5f, .5f}, {.5f, -.5f, .5f}, {0, 0, 1}};
  };
};

struct ThreeTapsToFour {  // F(4, 3)
  static constexpr int taps = 3, outputs = 4, products = 6;
  static constexpr float a = .75f, b = 1.5f, aa = a * a, bb = b * b;
  static constexpr float at_0 = 1 / (aa * bb), at_a = .5f / aa / (aa - bb), at_b = .5f / bb / (bb - aa);
  struct Input {
    static constexpr int rows = 6, columns = 6;
    static constexpr float values[6][6] = {{aa * bb, 0, -aa - bb, 0, 1, 0}, {0, -a * bb, -bb, a, 1, 0},
                                           {0, a * bb, -bb, -a, 1, 0},      {0, -aa * b, -aa, b, 1, 0},
                                           {0, aa * b, -aa, -b, 1, 0},      {0, aa * bb, 0, -aa - bb, 0, 1}};
  };
  struct Output {
    static constexpr int rows = 4, columns = 6;
    static constexpr float values[4][6] = {{1, 1, 1, 1, 1, 0},
                                           {0, a, -a, b, -b, 0},
                                           {0, aa, aa, bb, bb, 0},
                                           {0, a * aa, -a * aa, b * bb, -b * bb, 1}};
  };
  struct Kernel {
    static constexpr int rows = 6, columns = 3;
    static constexpr float values[6][3] = {{at_0, 0, 0},
                                           {at_a, a * at_a, aa * at_a},
                                           {at_a, -a * at_a, aa * at_a},
                                           {at_b, b * at_b, bb * at_b},
                                           {at_b, -b * at_b, bb * at_b},
                                           {0, 0, 1}};
  };
};

template <class M>
constexpr float element(int i, int j, M) {
  return M::values[i][j];
}
template <class M>
constexpr float element(int i, int j, Transposed<M>) {
  return M::values[j][i];
}

template <class M, int i, int j, class V>
inline void add_term(V &sum, const V &x) {
  constexpr float factor = element(i, j, M());
  if constexpr (factor == 1)
    sum += x;
  else if constexpr (factor == -1)
    sum -= x;
  else if constexpr (factor != 0)
    sum += factor * x;
}

template <class M, int i, class V, int... j>
inline V apply_row(const V *x, long step, std::integer_sequence<int, j...>) {
  V sum{};
  (add_term<M, i, j>(sum, x[j * step]), ...);
  return sum;
}

// to[i] = Σ_j M[i][j] from[j], elements `step` apart.
template <class M, class V, int... i>
inline void apply(const V *from, V *to, int step, std::integer_sequence<int, i...>) {
  ((to[i * step] = apply_row<M, i>(from, step, std::make_integer_sequence<int, M::columns>())), ...);
}

// Apply matrices along the axes of from (Z::columns, Y::columns, X::columns).
template <class Z, class Y, class X, class V>
inline void transform(const V *from, V *to /* (Z::rows, Y::rows, X::rows) */) {
  V along_x[Z::columns * Y::columns * X::rows], along_y[Z::columns * Y::rows * X::rows];
#pragma GCC unroll 36
  for (int zy = 0; zy < Z::columns * Y::columns; zy++)
    apply<X>(from + zy * X::columns, along_x + zy * X::rows, 1, std::make_integer_sequence<int, X::rows>());
#pragma GCC unroll 6
  for (int z = 0; z < Z::columns; z++)
#pragma GCC unroll 6
    for (int x = 0; x < X::rows; x++)
      apply<Y>(along_x + z * Y::columns * X::rows + x, along_y + z * Y::rows * X::rows + x, X::rows,
               std::make_integer_sequence<int, Y::rows>());
#pragma GCC unroll 36
  for (int yx = 0; yx < Y::rows * X::rows; yx++)
    apply<Z>(along_y + yx, to + yx, Y::rows * X::rows, std::make_integer_sequence<int, Z::rows>());
}

// What a convolution maps to what: of three axes, the missing ones first, of length, kernel and stride 1.
//
// `kernel` and `pad` leave out those elements of a whole kernel that see nothing but padding; it begins at
// first_tap of the whole one. In the last convolution of the paper's discriminator that is half of it.
struct Geometry {
  long n, large_channels, small_channels;
  long large[3], small[3], kernel[3], stride[3], pad[3], whole_kernel[3], first_tap[3];

  // Elements of the whole kernel of two channels, and the place of one element of the kernel among them.
  long taps_of_pair() const { return whole_kernel[0] * whole_kernel[1] * whole_kernel[2]; }
  long place_of_tap(long z, long y, long x) const {
    const long of_zy = (first_tap[0] + z) * whole_kernel[1] + first_tap[1] + y;
    return of_zy * whole_kernel[2] + first_tap[2] + x;
  }
};

template <class T>
inline T smaller(T a, T b) {
  return a < b ? a : b;
}
template <class T>
inline T larger(T a, T b) {
  return a > b ? a : b;
}
inline long divide_up(long a, long b) { return (a + b - 1) / b; }

// Floats that the columns of a block of products, transformed, may take: 2 MB, a part of the last cache.
constexpr long BLOCK = 1 << 19;
// Floats between arrays that are read or written together: distances that are powers of two would fall on the
// same places of the cache.
constexpr long PADDING = 16;

template <int lanes, class Z, class Y, class X>
class Filtering : Geometry {
  using V = Vector<lanes>;
  static constexpr int EZ = Z::products, EY = Y::products, EX = X::products, E = EZ * EY * EX;
  static constexpr int MZ = Z::outputs, MY = Y::outputs, MX = X::outputs;
  static constexpr int RZ = Z::taps, RY = Y::taps, RX = X::taps, TAPS = RZ * RY * RX;
  static constexpr int UNITS = COLUMNS / lanes;  // of a panel of the matrix products
  static constexpr int products[3] = {EZ, EY, EX}, outputs[3] = {MZ, MY, MX};
  static constexpr long NOWHERE =
      -(1L << 40);  // the place of an element that does not exist; sums with it are < 0

  const int threads;
  long phases[3], overlap[3], tiles[3];   // neighbouring windows share `overlap` elements
  long n_phases = 1, chunks, large_rows;  // chunks: of the batch; rows: channels times phases
  long large_size, small_size;            // floats of a channel
  bool covers = true;                     // every element of the large side is in some window
  long *places;                           // memory of the tables below
  // For each axis, where the elements of each tile's window are, (tiles, phases, products), and its outputs,
  // (tiles, outputs): their distance in memory from the axis's first element.
  long *of_window[3], *of_outputs[3];
  // And where the elements of the small side are that meet each one of the large side, (large, met): with a
  // stride of s, element i meets the taps (i + pad) % s, that plus s, that plus 2 s, ..., so many in all:
  long *of_meeting[3], met[3];
  // Where the taps of each phase are in the kernel of two channels, (phases, taps).
  long *of_taps;
  // Distance in memory of neighbours in a window, which are of the same phase, and of neighbouring outputs.
  long window_step[3], output_step[3];

 public:
  Filtering(const Geometry &g, int threads) : Geometry(g), threads(threads) {
    long n_places = 0;
    for (int axis = 0; axis < 3; axis++) {
      phases[axis] = products[axis] == 1 ? kernel[axis] : stride[axis];
      tiles[axis] = divide_up(small[axis], outputs[axis]);
      n_phases *= phases[axis];
      met[axis] = divide_up(kernel[axis], stride[axis]);
      n_places += tiles[axis] * (phases[axis] * products[axis] + outputs[axis]) + large[axis] * met[axis];
    }
    chunks = divide_up(n, lanes);
    large_rows = large_channels * n_phases;
    places = (long *)malloc((n_places + n_phases * TAPS) * sizeof(long));
    long *next = places;
    large_size = small_size = n;
    for (int axis = 2; axis >= 0 && places; axis--) {
      const long width = phases[axis] * products[axis], step = stride[axis] * outputs[axis];
      overlap[axis] = width - step;
      covers &= overlap[axis] >= 0 && tiles[axis] * step + overlap[axis] - pad[axis] >= large[axis];
      of_window[axis] = next;
      for (long t = 0; t < tiles[axis]; t++)
        for (long q = 0; q < phases[axis]; q++)
          for (int e = 0; e < products[axis]; e++) {
            const long i = t * step + q + e * phases[axis] - pad[axis];
            *next++ = i >= 0 && i < large[axis] ? i * large_size : NOWHERE;
          }
      of_outputs[axis] = next;
      for (long i = 0; i < tiles[axis] * outputs[axis]; i++)
        *next++ = i < small[axis] ? i * small_size : NOWHERE;
      of_meeting[axis] = next;
      for (long i = 0; i < large[axis]; i++)
        for (long t = 0; t < met[axis]; t++) {
          const long j = (i + pad[axis]) / stride[axis] - t;
          *next++ = j >= 0 && j < small[axis] ? j * small_size : NOWHERE;
        }
      window_step[axis] = phases[axis] * large_size, output_step[axis] = small_size;
      large_size *= large[axis], small_size *= small[axis];
    }
    of_taps = next;
    for (long i = 0; i < n_phases * TAPS && places; i++) {
      const long tap = i % TAPS, phase = i / TAPS;
      const long z = tap / (RY * RX) * phases[0] + phase / (phases[1] * phases[2]);
      const long y = tap / RX % RY * phases[1] + phase / phases[2] % phases[1];
      const long x = tap % RX * phases[2] + phase % phases[2];
      const bool exists = z < kernel[0] && y < kernel[1] && x < kernel[2];
      *next++ = exists ? place_of_tap(z, y, x) : NOWHERE;
    }
  }
  ~Filtering() { free(places); }
  Filtering(const Filtering &) = delete;

  // Whether there was memory; without, call nothing else.
  explicit operator bool() const { return places; }

  // x (large_channels, *large, n), W (small_channels, large_channels, *kernel), bias (small_channels) or null
  // → y (small_channels, *small, n).
  bool convolve(const float *x, const float *W, const float *bias, float *y) const {
    if (E == 1 && (n % COLUMNS == 0 || (stride[2] == 1 && small[2] * n % COLUMNS == 0)))
      return convolve_in_place(x, W, bias, y);
    const long depth = large_rows, panels = divide_up(unit_count(), UNITS);
    const long most = larger(1L, smaller(16L, BLOCK / (E * depth * COLUMNS)));
    const long block = larger(1L, smaller(most, panels / (2 * threads)));
    const long column_parts = divide_up(panels, block);
    // Too few columns for all threads: cut the rows as well, although each part then transforms the input.
    const long row_parts = smaller(divide_up(threads, column_parts), count_blocks(small_channels));
    float *U = transformed_kernel<false>(W);
    if (!U) return false;
    bool done = for_parts(
        column_parts * row_parts, E * (block * COLUMNS * (depth + small_channels) + PADDING), threads,
        [&](long part, float *columns) {
          const long first_block = part % row_parts * count_blocks(small_channels) / row_parts;
          const long end_block = (part % row_parts + 1) * count_blocks(small_channels) / row_parts;
          const long row = block_start(small_channels, first_block),
                     end = block_start(small_channels, end_block);
          const Units units{*this, part / row_parts * block * UNITS, block * UNITS, 0, chunks};
          const long n_panels = divide_up(units.count, UNITS), panel = depth * COLUMNS,
                     of_product = n_panels * panel + PADDING;
          float *results = columns + E * of_product;
          for (long c = 0; c < large_channels; c++)
            units.for_each([&](const Unit &unit, long column) {
              float *to = columns + column / COLUMNS * panel + c * n_phases * COLUMNS + column % COLUMNS;
              load_window(x + c * large_size, unit, to, of_product, COLUMNS);
            });
          units.clear_missing(columns, E, of_product, panel, depth);
          for (int e = 0; e < E; e++)
            for (long b = first_block; b < end_block; b++) {
              const long start = block_start(small_channels, b);
              const int rows = int(block_start(small_channels, b + 1) - start);
              for (long p = 0; p < n_panels; p++)
                multiply_rows<true>(rows, depth, U + e * of_kernel() + start * depth, 0,
                                    panel_at(columns + e * of_product + p * panel),
                                    results + ((p * small_channels + start) * E + e) * COLUMNS, E * COLUMNS);
            }
          for (long m = row; m < end; m++)
            units.for_each([&](const Unit &unit, long column) {
              const float *from =
                  results + (column / COLUMNS * small_channels + m) * E * COLUMNS + column % COLUMNS;
              store_tile(from, COLUMNS, y + m * small_size, unit, bias ? bias[m] : 0);
            });
        });
    free(U);
    return done;
  }

  // The same for direct sums over runs that fill panels: what windows hold can be read where it lies. A run
  // is a batch, or, where that fills none and the last axis has a stride of 1, a row: neighbouring windows
  // then lie one batch apart, in copies of rows with their padding.
  bool convolve_in_place(const float *x, const float *W, const float *bias, float *y) const {
    float *U = transformed_kernel<false>(W);
    if (!U) return false;
    const bool by_rows = n % COLUMNS;
    const long runs = by_rows ? 1 : small[2], run = small[2] / runs * n;
    // Floats of a row that windows see, padding included, and of those before and in it that exist.
    const long padded_row = by_rows ? (small[2] + kernel[2] - 1) * n : 0, before = pad[2] * n;
    const long existing = smaller(large[2] * n, padded_row - before);
    // Rows that are read at a time. Channels lie at distances that fall on the same places of the cache.
    const long group = larger(1L, smaller(large_channels, (by_rows ? 96 : 32) / n_phases));
    const long most = group * n_phases, step = stride[2] * n, n_zeros = run + (runs - 1) * step;
    const long scratch = n_zeros + 2 * most + most / kernel[2] * padded_row;
    bool done = for_parts(small[0] * small[1], scratch, threads, [&](long part, float *zeros) {
      const float **rows = (const float **)(zeros + n_zeros);
      float *padded_rows = zeros + n_zeros + 2 * most;
      memset(zeros, 0, 4 * n_zeros);
      memset(padded_rows, 0, 4 * (scratch - n_zeros - 2 * most));
      Unit unit{{part / small[1], part % small[1], 0}, 0, lanes};
      for (long c = 0; c < large_channels; c += group) {
        Neighbours neighbours;
        long depth = 0;
        for (unit.tile[2] = 0; unit.tile[2] < runs; unit.tile[2]++) {
          const long *window = of_window[2] + unit.tile[2] * phases[2];
          const bool is_next = neighbours.count(window[0] >= 0 && window[phases[2] - 1] >= 0);
          if (!is_next) depth = 0;
          for (long k = c; k < smaller(c + group, large_channels) && !is_next; k++)
            for_phases(unit, [&](long phase, const Window &window) {
              const float *channel = x + k * large_size;
              if (!by_rows) {
                const long place = window.place(0);
                rows[depth++] = place < 0 ? zeros : channel + place;
                return;
              }
              const long tap = phase % kernel[2], row = window.at[0][0] + window.at[1][0];
              float *padded = padded_rows + depth / kernel[2] * padded_row;
              if (row >= 0 && tap == 0) memcpy(padded + before, channel + row, 4 * existing);
              rows[depth++] = row < 0 ? zeros : padded + tap * n;
            });
          for_blocks(small_channels, [&](long start, int height) {
            auto multiply = [&](auto addend) {
              multiply_runs(height, depth, U + start * large_rows + c * n_phases * height, rows,
                            neighbours.steps * step, run, y + start * small_size + output_place(unit, 0),
                            small_size, addend);
            };
            c == 0 ? multiply(Bias{bias ? bias + start : zeros}) : multiply(Former());
          });
        }
      }
    });
    free(U);
    return done;
  }

  // y (small_channels, *small, n), W as above, bias (large_channels) or null → x (large_channels, *large, n).
  bool deconvolve(const float *y, const float *W, const float *bias, float *x) const {
    if (E == 1 && n % COLUMNS == 0) return deconvolve_in_place(y, W, bias, x);
    // Tiles that share elements of x follow each other in one part. Results of so many rows at a time are
    // added.
    const long group = channel_group(), groups = divide_up(large_channels, group), depth = small_channels;
    const long chunk_parts = smaller(chunks, 2L * threads);
    const long channel_parts = smaller(divide_up(threads, chunk_parts), groups);
    const long panels = divide_up(unit_count() / chunks * divide_up(chunks, chunk_parts), UNITS);
    const long block = larger(1L, smaller(smaller(16L, panels), BLOCK / (E * depth * COLUMNS)));
    float *U = transformed_kernel<true>(W);
    if (!U) return false;
    if (!covers)
      for (long c = 0; c < large_channels; c++)
        for (long i = 0; i < large_size; i++) x[c * large_size + i] = bias ? bias[c] : 0;
    bool done = for_parts(
        chunk_parts * channel_parts, E * (block * COLUMNS * (depth + group * n_phases) + PADDING), threads,
        [&](long part, float *columns) {
          const long i = part / channel_parts, j = part % channel_parts;
          const long chunk = chunks * i / chunk_parts, end_chunk = chunks * (i + 1) / chunk_parts;
          const long channel = groups * j / channel_parts * group;
          const long end = smaller(groups * (j + 1) / channel_parts * group, large_channels);
          const long count = unit_count() / chunks * (end_chunk - chunk);
          for (long first = 0; first < count; first += block * UNITS) {
            const Units units{*this, first, block * UNITS, chunk, end_chunk};
            const long n_panels = divide_up(units.count, UNITS), panel = depth * COLUMNS;
            const long of_product = n_panels * panel + PADDING;
            float *results = columns + E * of_product;
            for (long m = 0; m < small_channels; m++)
              units.for_each([&](const Unit &unit, long column) {
                float *to = columns + column / COLUMNS * panel + m * COLUMNS + column % COLUMNS;
                load_tile(y + m * small_size, unit, to, of_product);
              });
            units.clear_missing(columns, E, of_product, panel, depth);
            for (long c = channel; c < end; c += group) {
              const long rows = smaller(group, large_channels - c) * n_phases;
              for (int e = 0; e < E; e++)
                for (long p = 0; p < n_panels; p++)
                  for_blocks(rows, [&](long start, int height) {
                    multiply_rows<true>(height, depth, U + e * of_kernel() + (c * n_phases + start) * depth,
                                        0, panel_at(columns + e * of_product + p * panel),
                                        results + ((p * rows + start) * E + e) * COLUMNS, E * COLUMNS);
                  });
              for (long k = 0; k < rows / n_phases; k++)
                units.for_each([&](const Unit &unit, long column) {
                  const float *from =
                      results + (column / COLUMNS * rows + k * n_phases) * E * COLUMNS + column % COLUMNS;
                  add_window(from, COLUMNS, E * COLUMNS, x + (c + k) * large_size, unit,
                             bias ? bias[c + k] : 0);
                });
            }
          }
        });
    free(U);
    return done;
  }

  // The same for direct sums over batches that fill panels: an element of x is a sum over those that meet it.
  bool deconvolve_in_place(const float *y, const float *W, const float *bias, float *x) const {
    const long n_met = met[0] * met[1] * met[2], depth = small_channels * n_met;
    // Packed for multiply_rows: (first tap, block of rows, depth, row of the block).
    float *U = allocate(stride[0] * stride[1] * stride[2] * large_channels * depth);
    if (!U) return false;
    auto of_first_tap = [&](const long *first) {
      return U + ((first[0] * stride[1] + first[1]) * stride[2] + first[2]) * large_channels * depth;
    };
    long q[3];
    for (q[0] = 0; q[0] < stride[0]; q[0]++)
      for (q[1] = 0; q[1] < stride[1]; q[1]++)
        for (q[2] = 0; q[2] < stride[2]; q[2]++)
          for_blocks(large_channels, [&](long start, int height) {
            for (long k = 0; k < depth; k++) {
              const long t = k % n_met,
                         tap[3] = {q[0] + t / (met[1] * met[2]) * stride[0],
                                   q[1] + t / met[2] % met[1] * stride[1], q[2] + t % met[2] * stride[2]};
              const bool exists = tap[0] < kernel[0] && tap[1] < kernel[1] && tap[2] < kernel[2];
              const long place = place_of_tap(tap[0], tap[1], tap[2]);
              float *to = of_first_tap(q) + start * depth + k * height;
              for (int i = 0; i < height; i++) {
                const long of_pair = k / n_met * large_channels + start + i;
                to[i] = exists ? W[of_pair * taps_of_pair() + place] : 0;
              }
            }
          });
    const long group = larger(1L, smaller(small_channels, 32 / n_met)), n_zeros = small[2] * n;
    bool done =
        for_parts(large[0] * large[1], n_zeros + 2 * group * n_met, threads, [&](long part, float *zeros) {
          const float **rows = (const float **)(zeros + n_zeros);
          memset(zeros, 0, 4 * n_zeros);
          const long i[2] = {part / large[1], part % large[1]};
          const long *of_z = of_meeting[0] + i[0] * met[0], *of_y = of_meeting[1] + i[1] * met[1];
          for (long m = 0; m < small_channels; m += group)
            for (long q = 0; q < stride[2]; q++) {
              Neighbours neighbours;
              for (long column = q; column < large[2]; column += stride[2]) {
                const long *of_x = of_meeting[2] + column * met[2];
                const bool is_next = neighbours.count(of_x[0] >= 0 && of_x[met[2] - 1] >= 0);
                const long end = smaller(m + group, small_channels), count = (end - m) * n_met;
                const float **row = rows;
                for (long k = m; k < end && !is_next; k++)
                  for (long tz = 0; tz < met[0]; tz++)
                    for (long ty = 0; ty < met[1]; ty++)
                      for (long tx = 0; tx < met[2]; tx++) {
                        const long place = of_z[tz] + of_y[ty] + of_x[tx];
                        *row++ = place < 0 ? zeros : y + k * small_size + place;
                      }
                const long first[3] = {(i[0] + pad[0]) % stride[0], (i[1] + pad[1]) % stride[1],
                                       (column + pad[2]) % stride[2]};
                for_blocks(large_channels, [&](long start, int height) {
                  auto multiply = [&](auto addend) {
                    multiply_runs(height, count, of_first_tap(first) + start * depth + m * n_met * height,
                                  rows, neighbours.steps * n, n,
                                  x + start * large_size + (part * large[2] + column) * n, large_size,
                                  addend);
                  };
                  m == 0 ? multiply(Bias{bias ? bias + start : zeros}) : multiply(Former());
                });
              }
            }
        });
    free(U);
    return done;
  }

  // x (large_channels, *large, n), gy (small_channels, *small, n) → gW (small_channels, large_channels,
  // *kernel).
  bool kernel_gradient(const float *x, const float *gy, float *gW) const {
    if (E == 1 && n % WIDTH == 0 && small_channels * large_rows <= 1 << 12)
      return kernel_gradient_in_place(x, gy, gW);
    // Sums over all columns, block after block. A small gradient is summed in parts, over some of the columns
    // each.
    const long units_count = unit_count(), size = E * small_channels * padded(large_rows);
    const long block =
        larger(4L, smaller(smaller(64L, units_count), 2 * BLOCK / (E * small_channels * lanes)));
    const long blocks = divide_up(units_count, block);
    const long column_parts = size <= BLOCK ? smaller(blocks, 8L) : 1;
    const long channel_parts = column_parts > 1 ? 1 : smaller((long)threads, large_channels);
    // Channels whose columns are held. Where one block is all, so are their sums: they do not wait in memory.
    const bool is_one_block = blocks == 1;
    const long group = larger(1L, smaller(large_channels, (is_one_block ? 32 : 128) / n_phases));
    const long width = block * lanes + PADDING;
    const long n_sums = column_parts > 1 ? column_parts * size : 0;
    float *sums = n_sums ? allocate(n_sums) : nullptr;
    if (n_sums && !sums) return false;
    const long of_x = group * n_phases * width + PADDING, of_y = small_channels * width + PADDING;
    const long held = is_one_block ? E * small_channels * padded(group * n_phases) : size;
    const long scratch = (n_sums ? 0 : held) + E * (of_x + of_y) + block * lanes * COLUMNS;
    bool done = for_parts(column_parts * channel_parts, scratch, threads, [&](long part, float *memory) {
      const long i = part / channel_parts, j = part % channel_parts;
      const long channel = large_channels * j / channel_parts, end = large_channels * (j + 1) / channel_parts;
      const long row = padded((is_one_block ? group : end - channel) * n_phases);
      const long of_product = small_channels * row;
      float *gU = n_sums ? sums + i * size : memory, *y_columns = n_sums ? memory : memory + held;
      float *x_columns = y_columns + E * of_y, *panel = x_columns + E * of_x;
      const long first_block = blocks * i / column_parts;
      for (long b = first_block; b < blocks * (i + 1) / column_parts; b++) {
        const Units units{*this, b * block, block, 0, chunks};
        const long depth = units.count * lanes;
        for (long m = 0; m < small_channels; m++)
          units.for_each([&](const Unit &unit, long column) {
            load_tile(gy + m * small_size, unit, y_columns + m * width + column, of_y);
          });
        for (long c = channel; c < end; c += group) {
          const long rows = smaller(group, end - c) * n_phases;
          for (long k = 0; k < rows / n_phases; k++)
            units.for_each([&](const Unit &unit, long column) {
              load_window(x + (c + k) * large_size, unit, x_columns + k * n_phases * width + column, of_x,
                          width);
            });
          for (int e = 0; e < E; e++)
            for (long r = 0; r < rows; r += COLUMNS) {
              transpose_panel<lanes>(x_columns + e * of_x + r * width, width, int(rows - r), depth, panel);
              float *target = gU + e * of_product + (is_one_block ? 0 : (c - channel) * n_phases) + r;
              auto multiply = [&](auto addend) {
                for_blocks(small_channels, [&](long m, int height) {
                  multiply_rows<false>(height, depth, y_columns + e * of_y + m * width, width,
                                       panel_at(panel), target + m * row, row, addend);
                });
              };
              b == first_block ? multiply(Nothing()) : multiply(Former());
            }
          if (is_one_block) store_kernel(gU, row, c, c + rows / n_phases, gW);
        }
      }
      if (!n_sums && !is_one_block) store_kernel(gU, row, channel, end, gW);
    });
    if (done && n_sums) {
      for (long i = 1; i < column_parts; i++)
        for (long k = 0; k < size; k++) sums[k] += sums[i * size + k];
      store_kernel(sums, padded(large_rows), 0, large_channels, gW);
    }
    free(sums);
    return done;
  }

  // The same for direct sums of few channels and taps, whose columns would fill no panel: sums of products of
  // vectors that are read where they lie.
  bool kernel_gradient_in_place(const float *x, const float *gy, float *gW) const {
    constexpr int CHANNELS = 4, SHIFTS = 3;  // at a time: so many sums fit into the registers
    const long rows = small[0] * small[1], parts = smaller(rows, 8L), step = stride[2] * n;
    const long n_taps = kernel[0] * kernel[1] * kernel[2], size = small_channels * large_channels * n_taps;
    float *sums = allocate(parts * size * WIDTH);
    if (!sums) return false;
    memset(sums, 0, 4 * parts * size * WIDTH);
    const long n_zeros = small[2] * step;
    bool done = for_parts(parts, n_zeros, threads, [&](long part, float *zeros) {
      memset(zeros, 0, 4 * n_zeros);
      for (long row = rows * part / parts; row < rows * (part + 1) / parts; row++)
        for (long pair = 0; pair < divide_up(small_channels, CHANNELS) * large_channels; pair++)
          for (long tap = 0; tap < n_taps; tap += SHIFTS) {
            const long m = pair / large_channels * CHANNELS, c = pair % large_channels;
            const int shifts = int(smaller((long)SHIFTS, n_taps - tap));
            // Where in x the taps see the row's first output, and the outputs that see something there. Those
            // that do for all taps come together.
            long places[SHIFTS], begin = 0, end = small[2];
            bool is_seen = false;
            for (int b = 0; b < shifts; b++) {
              const long k = tap + b, shift = k % kernel[2];
              const long z = row / small[1] * kernel[0] + k / (kernel[1] * kernel[2]);
              const long y = row % small[1] * kernel[1] + k / kernel[2] % kernel[1];
              places[b] = of_window[0][z] + of_window[1][y];
              is_seen |= places[b] >= 0;
              begin = larger(begin, divide_up(larger(0L, pad[2] - shift), stride[2]));
              const long last = large[2] - 1 + pad[2] - shift;
              end = smaller(end, last < 0 ? 0 : last / stride[2] + 1);
            }
            if (!is_seen) continue;
            Vector<WIDTH> products[CHANNELS][SHIFTS] = {};
            auto add = [&](long first, long count) {
              const float *of_y[CHANNELS], *of_x[SHIFTS];
              for (int a = 0; a < CHANNELS; a++)
                of_y[a] =
                    m + a < small_channels ? gy + (m + a) * small_size + (row * small[2] + first) * n : zeros;
              for (int b = 0; b < SHIFTS; b++) {
                const long place = b < shifts
                                       ? places[b] + of_window[2][first * kernel[2] + (tap + b) % kernel[2]]
                                       : NOWHERE;
                of_x[b] = place < 0 ? zeros : x + c * large_size + place;
              }
              add_products(of_y, of_x, count, step, products);
            };
            begin = smaller(begin, small[2]), end = larger(begin, end);
            for (long i = 0; i < begin; i++) add(i, 1);
            if (begin < end) add(begin, end - begin);
            for (long i = end; i < small[2]; i++) add(i, 1);
            for (int a = 0; a < CHANNELS && m + a < small_channels; a++)
              for (int b = 0; b < shifts; b++) {
                float *to = sums + (part * size + ((m + a) * large_channels + c) * n_taps + tap + b) * WIDTH;
                store(to, load<WIDTH>(to) + products[a][b]);
              }
          }
    });
    memset(gW, 0, 4 * small_channels * large_channels * taps_of_pair());
    for (long k = 0; done && k < size; k++) {
      const long z = k % n_taps / (kernel[1] * kernel[2]), y = k / kernel[2] % kernel[1], x = k % kernel[2];
      float &to = gW[k / n_taps * taps_of_pair() + place_of_tap(z, y, x)];
      for (long i = 0; i < parts * WIDTH; i++) to += sums[(i / WIDTH * size + k) * WIDTH + i % WIDTH];
    }
    free(sums);
    return done;
  }

 private:
  // What neighbours along the last axis read in place lies one step further from neighbour to neighbour,
  // unless some of it does not exist: places are looked up once for all of them.
  struct Neighbours {
    long steps = 0;  // so many since those whose places were looked up
    bool was_inside = false;

    // Count one more, all of whose places exist if it is inside; whether it is a neighbour of the one before.
    bool count(bool is_inside) {
      const bool is_next = is_inside && was_inside;
      steps = is_next ? steps + 1 : 0;
      was_inside = is_inside;
      return is_next;
    }
  };

  // `addend` + the product of packed factors and of rows, from `shift` on, to `height` runs, which are to_row
  // apart.
  template <class Addend>
  static void multiply_runs(int height, long depth, const float *factors, const float *const *rows,
                            long shift, long run, float *to, long to_row, Addend addend) {
    long i = 0;
    auto panel = [&](long k) { return rows[k] + shift + i; };
    for (; height <= 3 && i + 2 * COLUMNS <= run; i += 2 * COLUMNS)
      multiply_rows<true, 3, 4>(height, depth, factors, 0, panel, to + i, to_row, addend);
    for (; i < run; i += COLUMNS)
      multiply_rows<true>(height, depth, factors, 0, panel, to + i, to_row, addend);
  }

  // sums[a][b] += the products of vector after vector of `count` batches: those of a lie side by side, those
  // of b so far apart.
  template <int rows, int columns>
  inline void add_products(const float *const (&a)[rows], const float *const (&b)[columns], long count,
                           long step, Vector<WIDTH> (&sums)[rows][columns]) const {
    Vector<WIDTH> s[rows][columns];
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
      for (int j = 0; j < columns; j++) s[i][j] = sums[i][j];
    for (long of_a = 0, of_b = 0; of_a < count * n; of_b += step - n)
      for (const long end = of_a + n; of_a < end; of_a += WIDTH, of_b += WIDTH) {
        Vector<WIDTH> held[columns];
#pragma GCC unroll 3
        for (int j = 0; j < columns; j++) held[j] = load<WIDTH>(b[j] + of_b);
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) {
          const Vector<WIDTH> factor = load<WIDTH>(a[i] + of_a);
#pragma GCC unroll 3
          for (int j = 0; j < columns; j++) s[i][j] += factor * held[j];
        }
      }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
      for (int j = 0; j < columns; j++) sums[i][j] = s[i][j];
  }

  struct Unit {
    long tile[3], start;  // start: its first element of the batch
    int n;                // elements of the batch, at most `lanes`
  };

  // Some units one after the other, numbered from the last axis of (*tiles, chunks of a part of the batch).
  struct Units {
    const Filtering &filtering;
    long first, count, first_chunk, n_chunks;

    Units(const Filtering &f, long first, long most, long first_chunk, long end_chunk)
        : filtering(f), first(first), first_chunk(first_chunk), n_chunks(end_chunk - first_chunk) {
      count = smaller(most, f.unit_count() / f.chunks * n_chunks - first);
    }

    // Call function(unit, its first column).
    template <class Function>
    inline void for_each(Function function) const {
      Unit unit;
      long chunk = first % n_chunks, tile = first / n_chunks;
      for (int axis = 2; axis >= 0; axis--) {
        unit.tile[axis] = tile % filtering.tiles[axis];
        tile /= filtering.tiles[axis];
      }
      for (long i = 0; i < count; i++) {
        unit.start = (first_chunk + chunk) * lanes;
        unit.n = int(smaller((long)lanes, filtering.n - unit.start));
        function(unit, i * lanes);
        if (++chunk < n_chunks) continue;
        chunk = 0;
        for (int axis = 2; axis >= 0 && ++unit.tile[axis] == filtering.tiles[axis]; axis--)
          unit.tile[axis] = 0;
      }
    }

    // Zeros for the columns of the last panel that no unit fills.
    void clear_missing(float *columns, int n_products, long of_product, long panel, long depth) const {
      const long used = count * lanes % COLUMNS;
      if (!used) return;
      for (int e = 0; e < n_products; e++)
        for (long k = 0; k < depth; k++)
          memset(columns + e * of_product + count * lanes / COLUMNS * panel + k * COLUMNS + used, 0,
                 4 * (COLUMNS - used));
    }
  };

  long unit_count() const { return tiles[0] * tiles[1] * tiles[2] * chunks; }
  // Rows with room for a last panel, wherever it starts.
  static long padded(long rows) { return divide_up(rows + COLUMNS - 1, COLUMNS) * COLUMNS; }
  long channel_group() const { return larger(1L, smaller(large_channels, 24 / n_phases)); }

  static float *allocate(long floats) { return (float *)aligned_alloc(64, divide_up(4 * floats, 64) * 64); }

  // One phase of a unit's window.
  struct Window {
    const long *at[3];  // places of its elements along each axis
    int shared;         // 8 bits an axis: so many of them were in the axis's window before

    inline long place(int e) const { return at[0][e / (EY * EX)] + at[1][e / EX % EY] + at[2][e % EX]; }
    inline bool is_shared(int e) const { return shares(shared, e); }
    // Whether all elements exist.
    inline bool is_whole() const { return place(0) >= 0 && place(E - 1) >= 0; }
  };
  static constexpr bool shares(int shared, int e) {
    return e / (EY * EX) < (shared & 255) || e / EX % EY < (shared >> 8 & 255) || e % EX < shared >> 16;
  }
  // Window::shared where there is a window before along every axis.
  static constexpr int SHARED_INSIDE = EZ - MZ | (EY - MY) << 8 | (EX - MX) << 16;

  // Distance in memory of element e of (·, NY, NX) from the first one.
  template <int NY, int NX>
  static inline long distance(int e, const long *step) {
    return e / (NY * NX) * step[0] + e / NX % NY * step[1] + e % NX * step[2];
  }

  // Call function(phase's number, window) for every phase.
  template <class Function>
  inline void for_phases(const Unit &unit, Function function) const {
    auto places = [&](int axis, long q) {
      return of_window[axis] + (unit.tile[axis] * phases[axis] + q) * products[axis];
    };
    auto shared = [&](int axis, long q) {
      const int inside = products[axis] == 1 ? q < overlap[axis] : products[axis] - outputs[axis];
      return unit.tile[axis] ? inside << 8 * axis : 0;
    };
    long number = 0;
    for (long z = 0; z < phases[0]; z++)
      for (long y = 0; y < phases[1]; y++) {
        const long *at_z = places(0, z), *at_y = places(1, y);
        const int of_zy = shared(0, z) | shared(1, y);
        for (long x = 0; x < phases[2]; x++)
          function(number++, Window{{at_z, at_y, places(2, x)}, of_zy | shared(2, x)});
      }
  }

  // The elements at places along three axes, zeros where there is none. Unless all exist they are gathered
  // first, for only elements at fixed distances does the compiler hold in registers.
  template <int NZ, int NY, int NX>
  static inline void load_elements(const float *from, const long *const *at, const long *step, int n,
                                   V *elements) {
    constexpr long of_gathered[3] = {NY * NX * lanes, NX * lanes, lanes};
    V gathered[NZ * NY * NX];
    const long start = at[0][0] + at[1][0] + at[2][0], end = at[0][NZ - 1] + at[1][NY - 1] + at[2][NX - 1];
    const float *first = (const float *)gathered;
    if (n == lanes && start >= 0 && end >= 0)
      first = from + start;
    else {
      step = of_gathered;
      for (int zy = 0; zy < NZ * NY; zy++)
        for (int x = 0; x < NX; x++) {
          const long place = at[0][zy / NY] + at[1][zy % NY] + at[2][x];
          gathered[zy * NX + x] = place < 0 ? V{} : load<lanes>(from + place, n);
        }
    }
#pragma GCC unroll 144
    for (int e = 0; e < NZ * NY * NX; e++) elements[e] = load<lanes>(first + distance<NY, NX>(e, step));
  }

  // B x of a window of one channel: product e of phase q to to[e * of_product + q * of_phase].
  inline void load_window(const float *x, const Unit &unit, float *to, long of_product, long of_phase) const {
    for_phases(unit, [&](long phase, const Window &window) {
      V elements[E], transformed[E];
      load_elements<EZ, EY, EX>(x + unit.start, window.at, window_step, unit.n, elements);
      transform<typename Z::Input, typename Y::Input, typename X::Input>(elements, transformed);
#pragma GCC unroll 144
      for (int e = 0; e < E; e++) store(to + e * of_product + phase * of_phase, transformed[e]);
    });
  }

  // The adjoint: add to the window. Elements that no window before had are bias so far.
  inline void add_window(const float *from, long of_product, long of_phase, float *x, const Unit &unit,
                         float bias) const {
    x += unit.start;
    for_phases(unit, [&](long phase, const Window &window) {
      V transformed[E], elements[E];
#pragma GCC unroll 144
      for (int e = 0; e < E; e++) transformed[e] = load<lanes>(from + e * of_product + phase * of_phase);
      transform<Transposed<typename Z::Input>, Transposed<typename Y::Input>, Transposed<typename X::Input>>(
          transformed, elements);
      if (unit.n == lanes && window.is_whole() && window.shared == SHARED_INSIDE) {
        float *first = x + window.place(0);
#pragma GCC unroll 144
        for (int e = 0; e < E; e++) {
          float *to = first + distance<EY, EX>(e, window_step);
          store(to, elements[e] + (shares(SHARED_INSIDE, e) ? load<lanes>(to) : V{} + bias));
        }
        return;
      }
#pragma GCC unroll 144
      for (int e = 0; e < E; e++) {
        const long place = window.place(e);
        if (place < 0) continue;
        elements[e] += window.is_shared(e) ? load<lanes>(x + place, unit.n) : V{} + bias;
        store(x + place, elements[e], unit.n);
      }
    });
  }

  // The place of output i of a tile.
  inline long output_place(const Unit &unit, int i) const {
    return of_outputs[0][unit.tile[0] * MZ + i / (MY * MX)] + of_outputs[1][unit.tile[1] * MY + i / MX % MY] +
           of_outputs[2][unit.tile[2] * MX + i % MX];
  }

  // Aᵀ gy of a tile of one channel: product e to to[e * of_product].
  inline void load_tile(const float *gy, const Unit &unit, float *to, long of_product) const {
    const long *const at[3] = {of_outputs[0] + unit.tile[0] * MZ, of_outputs[1] + unit.tile[1] * MY,
                               of_outputs[2] + unit.tile[2] * MX};
    V elements[MZ * MY * MX], transformed[E];
    load_elements<MZ, MY, MX>(gy + unit.start, at, output_step, unit.n, elements);
    transform<Transposed<typename Z::Output>, Transposed<typename Y::Output>, Transposed<typename X::Output>>(
        elements, transformed);
#pragma GCC unroll 144
    for (int e = 0; e < E; e++) store(to + e * of_product, transformed[e]);
  }

  // A of the products: a tile of the output.
  inline void store_tile(const float *from, long of_product, float *y, const Unit &unit, float bias) const {
    V transformed[E], elements[MZ * MY * MX];
#pragma GCC unroll 144
    for (int e = 0; e < E; e++) transformed[e] = load<lanes>(from + e * of_product);
    transform<typename Z::Output, typename Y::Output, typename X::Output>(transformed, elements);
    y += unit.start;
    if (unit.n == lanes && output_place(unit, MZ * MY * MX - 1) >= 0) {
      float *first = y + output_place(unit, 0);
#pragma GCC unroll 32
      for (int i = 0; i < MZ * MY * MX; i++)
        store(first + distance<MY, MX>(i, output_step), elements[i] + bias);
      return;
    }
#pragma GCC unroll 32
    for (int i = 0; i < MZ * MY * MX; i++) {
      const long place = output_place(unit, i);
      if (place >= 0) store(y + place, elements[i] + bias, unit.n);
    }
  }

  // Call function(tap's number, its place in the kernel of two channels) for each tap of a phase that exists.
  template <class Function>
  inline void for_taps(long phase, Function function) const {
    for (int tap = 0; tap < TAPS; tap++)
      if (const long place = of_taps[phase * TAPS + tap]; place >= 0) function(tap, place);
  }

  // Floats from one product of a transformed kernel to the next.
  long of_kernel() const { return large_rows * small_channels + PADDING; }

  // G w, packed for multiply_rows: (product, block of rows, depth, row of the block). Rows are the small
  // side's channels, depth the large side's with their phases; for the adjoint the other way round.
  template <bool is_adjoint>
  float *transformed_kernel(const float *W) const {
    const long rows = is_adjoint ? large_rows : small_channels,
               depth = is_adjoint ? small_channels : large_rows;
    const long n_taps = taps_of_pair();
    // Blocks are those of the products: for the adjoint they start anew at each group of channels.
    const long group = is_adjoint ? channel_group() * n_phases : rows, of_group = count_blocks(group);
    const long blocks = rows / group * of_group + count_blocks(rows % group);
    float *U = allocate(E * of_kernel());
    if (!U) return nullptr;
    const long parts = E * rows * depth < BLOCK / 4 ? 1 : smaller(blocks, 4L * threads);
    constexpr int width = ROWS <= 8 ? 8 : 16;
    auto transform_block = [&](long b, long k) {
      const long first = b / of_group * group, height = smaller(group, rows - first);
      const long start = first + block_start(height, b % of_group);
      const int n = int(first + block_start(height, b % of_group + 1) - start);
      Vector<width> taps[TAPS] = {}, transformed[E];
      const long large = is_adjoint ? start : k;
      long channel = large / n_phases, phase = large % n_phases;
      for (int i = 0; i < n; i++) {
        const float *from = W + ((is_adjoint ? k : start + i) * large_channels + channel) * n_taps;
        for_taps(phase, [&](int tap, long place) { taps[tap][i] = from[place]; });
        if (is_adjoint && ++phase == n_phases) phase = 0, channel++;
      }
      transform<typename Z::Kernel, typename Y::Kernel, typename X::Kernel>(taps, transformed);
      // Whole vectors where the next ones overwrite what is too much.
      const int stored = (depth - k) * n < width ? n : width;
      for (int e = 0; e < E; e++) store(U + e * of_kernel() + start * depth + k * n, transformed[e], stored);
    };
    auto work = [&](long part, float *) {
      const long end = blocks * (part + 1) / parts;
      // Blocks of the same elements of W one after the other, while these are in the cache.
      for (long b = blocks * part / parts, next; b < end; b = next) {
        next = is_adjoint ? smaller(end, (b / of_group + 1) * of_group) : b + 1;
        for (long k = 0; k < depth; k++)
          for (long i = b; i < next; i++) transform_block(i, k);
      }
    };
    if (!for_parts(parts, 0, threads, work)) {
      free(U);
      return nullptr;
    }
    return U;
  }

  // Gᵀ of the sums gU (product, small side's channel, row of the large side's `channel` to `end`) → their gW.
  void store_kernel(const float *gU, long row, long channel, long end, float *gW) const {
    const long n_taps = taps_of_pair(), rows = (end - channel) * n_phases;
    for (long m = 0; m < small_channels; m++) {
      memset(gW + (m * large_channels + channel) * n_taps, 0, 4 * (end - channel) * n_taps);
      for (long r = 0; r < rows; r += WIDTH) {
        Vector<WIDTH> sums[E], taps[TAPS];
        for (int e = 0; e < E; e++) sums[e] = load<WIDTH>(gU + (e * small_channels + m) * row + r);
        transform<Transposed<typename Z::Kernel>, Transposed<typename Y::Kernel>,
                  Transposed<typename X::Kernel>>(sums, taps);
        for (int i = 0; i < smaller((long)WIDTH, rows - r); i++) {
          const long c = channel + (r + i) / n_phases;
          float *to = gW + (m * large_channels + c) * n_taps;
          for_taps((r + i) % n_phases, [&](int tap, long place) { to[place] = taps[tap][i]; });
        }
      }
    }
  }
};

}  // namespace TARGET
