// The functions that Python calls, by way of the target that fits the processor, and the threads for their
// parts.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#include "target.hpp"
#include "threads.hpp"

// TARGETS lists those that were compiled, the best first, such as TARGET(avx2) TARGET(baseline).
#define TARGET(name)                \
  namespace name {                  \
  extern const tgan::Target target; \
  }
TARGETS
#undef TARGET

namespace tgan {

bool run_parts(long parts, long scratch, int threads, Work work, void *context) {
  if (threads > parts) threads = int(parts);
  const long size = (4 * scratch + 63) / 64 * 64;
  char *memory = nullptr;
  if (size && !(memory = static_cast<char *>(aligned_alloc(64, size * threads)))) return false;
  std::atomic<long> next{0};
  auto run = [&](int thread) {
    for (long part; (part = next++) < parts;)
      work(context, part, reinterpret_cast<float *>(memory + thread * size));
  };
  std::vector<std::thread> others;
  try {
    for (int i = 1; i < threads; i++) others.emplace_back(run, i);
  } catch (const std::system_error &) {  // the system allows no more: do with those that are there
  }
  run(0);
  for (auto &thread : others) thread.join();
  free(memory);
  return true;
}

#define TARGET(name) &name::target,
static const Target *const targets[] = {TARGETS};
#undef TARGET

static bool runs_here(const Target *target) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (!strcmp(target->name, "avx2")) return has_avx2;
  if (!strcmp(target->name, "avx512"))
    return has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
#endif
  return true;
}

// The best one that runs here, or the one of that name; null if there is none. AVX-512 has to be named: it has
// never run anywhere yet.
static const Target *find(const char *name) {
  for (const Target *target : targets)
    if (runs_here(target) && (name ? !strcmp(name, target->name) : strcmp("avx512", target->name) != 0))
      return target;
  return nullptr;
}

static const Target *chosen = find(nullptr);

}  // namespace tgan

#define EXPORT extern "C" __attribute__((visibility("default")))

// A hash of the sources that this was built from.
EXPORT const char *tgan_sources() { return TGAN_SOURCES; }

// The name of the target in use: the best for this processor, or what tgan_choose_target said last.
EXPORT const char *tgan_target() { return tgan::chosen->name; }

// Use another target; false if it is not there or does not run here. Not while anything is computed.
EXPORT bool tgan_choose_target(const char *name) {
  const tgan::Target *target = tgan::find(name);
  if (target) tgan::chosen = target;
  return target;
}

EXPORT bool tgan_filter(int operation, const long *geometry, const float *a, const float *b,
                        const float *bias, float *to, int threads) {
  return tgan::chosen->filter(operation, geometry, a, b, bias, to, threads);
}

EXPORT bool tgan_normalize(long channels, long length, const float *x, const float *gamma, const float *beta,
                           float *mean, float *var, float *y, float eps, float slope, bool is_fixed,
                           int threads) {
  return tgan::chosen->normalize(channels, length, x, gamma, beta, mean, var, y, eps, slope, is_fixed,
                                 threads);
}

EXPORT bool tgan_normalize_backward(long channels, long length, const float *x, const float *gamma,
                                    const float *beta, float *mean, float *var, const float *gy, float *gx,
                                    float *ggamma, float *gbeta, float eps, float slope, bool is_fixed,
                                    int threads) {
  return tgan::chosen->normalize_backward(channels, length, x, gamma, beta, mean, var, gy, gx, ggamma, gbeta,
                                          eps, slope, is_fixed, threads);
}

EXPORT bool tgan_statistics(long channels, long length, const float *x, float *mean, float *var, int threads) {
  return tgan::chosen->statistics(channels, length, x, mean, var, threads);
}

EXPORT bool tgan_normalize_backward_of_part(long channels, long length, const float *x, const float *gamma,
                                            const float *beta, float *mean, float *var, const float *gy,
                                            float *gx, const float *ggamma, const float *gbeta, float eps,
                                            float slope, double count, int threads) {
  return tgan::chosen->normalize_backward_of_part(channels, length, x, gamma, beta, mean, var, gy, gx, ggamma,
                                                  gbeta, eps, slope, count, threads);
}

EXPORT bool tgan_leaky_relu(long n, const float *x, const float *other, float *to, float slope, int threads) {
  return tgan::chosen->leaky_relu(n, x, other, to, slope, threads);
}

EXPORT bool tgan_tanh(long n, const float *x, float *y, int threads) {
  return tgan::chosen->tanh(n, x, y, threads);
}

EXPORT bool tgan_tanh_backward(long n, const float *y, const float *gy, float *gx, int threads) {
  return tgan::chosen->tanh_backward(n, y, gy, gx, threads);
}

EXPORT bool tgan_rmsprop(long count, const long *sizes, float *const *values, float *const *squares,
                         const float *const *gradients, float learning_rate, float alpha, float eps,
                         int threads) {
  return tgan::chosen->rmsprop(count, sizes, values, squares, gradients, learning_rate, alpha, eps, threads);
}
