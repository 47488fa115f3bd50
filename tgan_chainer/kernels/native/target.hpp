// The functions that each target of the compiler has, and that kernels.cpp chooses from.
#pragma once

namespace tgan {

// All return false, with nothing done, if there is no memory.
struct Target {
  const char *name;
  // See filtering.hpp. Operation 0, 1, 2: the convolution, its adjoint, the kernel's gradient, of two arrays.
  bool (*filter)(int operation, const long *geometry, const float *a, const float *b, const float *bias,
                 float *to, int threads);
  // See elementwise.hpp.
  bool (*normalize)(long channels, long length, const float *x, const float *gamma, const float *beta,
                    float *mean, float *var, float *y, float eps, float slope, bool is_fixed, int threads);
  bool (*normalize_backward)(long channels, long length, const float *x, const float *gamma,
                             const float *beta, float *mean, float *var, const float *gy, float *gx,
                             float *ggamma, float *gbeta, float eps, float slope, bool is_fixed, int threads);
  bool (*statistics)(long channels, long length, const float *x, float *mean, float *var, int threads);
  bool (*normalize_backward_of_part)(long channels, long length, const float *x, const float *gamma,
                                     const float *beta, float *mean, float *var, const float *gy, float *gx,
                                     const float *ggamma, const float *gbeta, float eps, float slope,
                                     double count, int threads);
  bool (*leaky_relu)(long n, const float *x, const float *other, float *to, float slope, int threads);
  bool (*tanh)(long n, const float *x, float *y, int threads);
  bool (*tanh_backward)(long n, const float *y, const float *gy, float *gx, int threads);
  bool (*rmsprop)(long count, const long *sizes, float *const *values, float *const *squares,
                  const float *const *gradients, float learning_rate, float alpha, float eps, int threads);
};

}  // namespace tgan
