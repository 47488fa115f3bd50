// The functions that each target of the compiler has, and that Python calls; native.py has the same
// structures.
#pragma once

namespace tgan {

// Batch normalization of x, which holds `channels` of `length` elements for each of some batches. Of a
// channel, the batches take turns in memory: `run` elements of each.
struct Normalization {
  long channels, batches, length, run;
  const float *gamma, *beta;  // (channels); beta may be null
  float *mean, *var;          // (batches, channels)
  float eps, slope;           // slope: of the leaky ReLU after it
  int threads;
  bool is_fixed;  // mean and var are given, and have no gradient
};

// Which elements of an array to copy to which of another: (lengths[0], ..., lengths[3]), with so many
// elements from one to the next along each axis. Neighbours along axis 2 are neighbours in memory where they
// come from, those along axis 3 where they go to.
struct Copy {
  long lengths[4], from_steps[4], to_steps[4];
};

// All functions return false, with nothing done, if there is no memory.
struct Target {
  const char *name;
  // See filtering.hpp. Operation 0, 1, 2: the convolution, its adjoint, the kernel's gradient, of two arrays.
  bool (*filter)(int operation, const long *geometry, const float *a, const float *b, const float *bias,
                 float *to, int threads);
  // See elementwise.hpp. The gradients of γ and β are (batches, channels), like mean and var.
  bool (*normalize)(const Normalization &, const float *x, float *y);
  bool (*find_statistics)(const Normalization &, const float *x);
  bool (*normalize_backward)(const Normalization &, const float *x, const float *gy, float *gx, float *ggamma,
                             float *gbeta);
  bool (*normalize_backward_of_part)(const Normalization &, const float *x, const float *gy, float *gx,
                                     const float *ggamma, const float *gbeta, double count);
  bool (*leaky_relu)(long n, const float *x, const float *other, float *to, float slope, int threads);
  bool (*tanh)(long n, const float *x, float *y, int threads);
  bool (*tanh_backward)(long n, const float *y, const float *gy, float *gx, int threads);
  bool (*copy)(const Copy &, const float *from, float *to, int threads);
  bool (*pool)(long rows, long length, long run, const float *x, float *y, int threads);
  bool (*rmsprop)(long count, const long *sizes, float *const *values, float *const *squares,
                  const float *const *gradients, float learning_rate, float alpha, float eps, int threads);
};

}  // namespace tgan

// The target of that name, or without one the best that runs here; null if there is none.
extern "C" __attribute__((visibility("default"))) const tgan::Target *tgan_target(const char *name);
