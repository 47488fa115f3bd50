// The targets that fit the processor, whose functions Python calls, and the threads for their parts.
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

}  // namespace tgan

// A hash of the sources that this was built from.
extern "C" __attribute__((visibility("default"))) const char *tgan_sources() { return TGAN_SOURCES; }

// AVX-512 has to be named: it has never run anywhere yet.
const tgan::Target *tgan_target(const char *name) {
  for (const tgan::Target *target : tgan::targets)
    if (tgan::runs_here(target) && (name ? !strcmp(name, target->name) : strcmp("avx512", target->name) != 0))
      return target;
  return nullptr;
}
