// Products of small matrices out of the cache: the only place where the multiplications of a convolution are.
//
// A product is cut into blocks of at most ROWS rows and COLUMNS columns, whose sums fit into the registers:
// for each k one element of every row of A, broadcast, multiplies two vectors of B.
#pragma once
#include "vectors.hpp"

namespace TARGET {

constexpr int ROWS =
    WIDTH == 16 ? 12 : 6;  // sums then take 24 of AVX-512's 32 registers, 12 of the others' 16
constexpr int COLUMNS = 2 * WIDTH;

// What a product is added to, given its row and the place that it goes to: nothing, ...
struct Nothing {
  inline Vector<WIDTH> operator()(int, const float *) const { return Vector<WIDTH>{}; }
};
// ... what is there, ...
struct Former {
  inline Vector<WIDTH> operator()(int, const float *c) const { return load<WIDTH>(c); }
};
// ... or a number for each row.
struct Bias {
  const float *of_rows;
  inline Vector<WIDTH> operator()(int i, const float *) const { return Vector<WIDTH>{} + of_rows[i]; }
};

// C (rows, vectors * WIDTH) = `addend` + A (rows, depth) B (depth, vectors * WIDTH).
//
// Row k of B is at b(k). Element (i, k) of A is a[i * a_row + k], or, if A is packed, a[k * rows + i].
template <int rows, int vectors, bool is_packed, class Panel, class Addend>
__attribute__((noinline)) void multiply_block(long depth, const float *a, long a_row, Panel b, float *c,
                                              long c_row, Addend addend) {
  Vector<WIDTH> sums[rows][vectors] = {};
  for (long k = 0; k < depth; k++) {
    auto factor = [=](int i) { return is_packed ? a[k * rows + i] : a[i * a_row + k]; };
    const float *row = b(k);
    // Held are the vectors or the factors, of which there are fewer: with the sums no more fit.
    if constexpr (vectors < rows) {
      Vector<WIDTH> held[vectors];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) held[v] = load<WIDTH>(row + v * WIDTH);
#pragma GCC unroll 12
      for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sums[i][v] += factor(i) * held[v];
    } else {
      Vector<WIDTH> held[rows];
#pragma GCC unroll 12
      for (int i = 0; i < rows; i++) held[i] = Vector<WIDTH>{} + factor(i);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) {
        const Vector<WIDTH> of_row = load<WIDTH>(row + v * WIDTH);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) sums[i][v] += held[i] * of_row;
      }
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      float *target = c + i * c_row + v * WIDTH;
      store(target, addend(i, target) + sums[i][v]);
    }
}

// As multiply_block, of a number of rows known only now, at most `most`.
template <bool is_packed, int most = ROWS, int vectors = 2, class Panel, class Addend = Nothing>
void multiply_rows(int rows, long depth, const float *a, long a_row, Panel b, float *c, long c_row,
                   Addend addend = Addend()) {
  if (rows == most) return multiply_block<most, vectors, is_packed>(depth, a, a_row, b, c, c_row, addend);
  if constexpr (most > 1)
    multiply_rows<is_packed, most - 1, vectors>(rows, depth, a, a_row, b, c, c_row, addend);
}

// The rows of a contiguous B.
inline auto panel_at(const float *b) {
  return [b](long k) { return b + k * COLUMNS; };
}

// Rows are cut into blocks of about equal height, at most ROWS.
inline long count_blocks(long rows) { return (rows + ROWS - 1) / ROWS; }
inline long block_start(long rows, long i) { return rows * i / count_blocks(rows); }

// Call function(first row, number of rows) for each block.
template <class Function>
inline void for_blocks(long rows, Function function) {
  for (long i = 0; i < count_blocks(rows); i++) {
    long start = block_start(rows, i);
    function(start, int(block_start(rows, i + 1) - start));
  }
}

// Rows (of columns that are contiguous, `row` apart) → (depth, COLUMNS), the missing ones zeros. depth is a
// multiple of `lanes`.
template <int lanes>
inline void transpose_panel(const float *from, long row, int rows, long depth, float *to) {
  for (long k = 0; k < depth; k += lanes)
    for (int first = 0; first < COLUMNS; first += lanes) {
      Vector<lanes> square[lanes];
      for (int i = 0; i < lanes; i++)
        square[i] = first + i < rows ? load<lanes>(from + (first + i) * row + k) : Vector<lanes>{};
      transpose<lanes>(square);
      for (int i = 0; i < lanes; i++) store(to + (k + i) * COLUMNS + first, square[i]);
    }
}

}  // namespace TARGET
