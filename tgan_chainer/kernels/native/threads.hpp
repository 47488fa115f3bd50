// Threads for the duration of one call: none is kept, so that forks and the end of the process find none.
//
// Starting and joining one takes 20 to 120 µs. Which thread does which part is left to chance; parts write to
// different places, and sums are cut into parts in a way that depends on shapes alone, so that results do not
// depend on it.
#pragma once

namespace tgan {

typedef void (*Work)(void *context, long part, float *scratch);

// Call work(context, part, scratch) for each part; false, with nothing done, if there is no memory for the
// scratch: so many floats for each thread, aligned to 64 bytes.
bool run_parts(long parts, long scratch, int threads, Work work, void *context);

// The same of a function object.
template <class Function>
bool for_parts(long parts, long scratch, int threads, Function function) {
  auto call = [](void *context, long part, float *memory) {
    (*static_cast<Function *>(context))(part, memory);
  };
  return run_parts(parts, scratch, threads, call, &function);
}

}  // namespace tgan
