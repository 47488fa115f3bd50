"""Threads for the loops of NumPy's functions on a CPU, and for reading ahead.

NumPy's functions let go of Python's lock while they compute, so that threads which each work on their own
part of an array use all cores. Matrix products within these loops run on one thread each: OpenBLAS's own
threads wait for each other after every product, which for the small ones here costs more than it gains, and
on a machine that does something else as well up to 20 times as much.
"""

import collections
import concurrent.futures
import contextlib
import ctypes
import functools
import os
import threading

import numpy as np
from threadpoolctl import ThreadpoolController

_local = threading.local()

# The numbers of these options in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def prepare_process():
    """Settings for the whole process that training on a CPU gains from.

    Matrix products take one thread, also those outside of :func:`for_each`, and :func:`keep_freed_memory`.
    """
    _controller().limit(limits=1, user_api="blas")
    keep_freed_memory()


def keep_freed_memory():
    """Let glibc keep freed arrays, of all threads, for the next ones.

    By default it hands large ones back to the operating system, which has to clear every page anew.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def thread_count():
    """Return OMP_NUM_THREADS where it is set (to a number), else the number of cores of this process."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    return core_count()


def core_count():
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def for_each(function, items, in_threads=True):
    """Call ``function(item)`` for each item, on several threads; return when all calls have.

    Which thread takes which item is left to chance: calls must not write to the same memory, and then the
    results do not depend on the number of threads.

    Args:
        function (callable): What it returns is dropped. It must not call :func:`for_each`.
        items (iterable): Best the longest work first.
        in_threads (bool): False makes it a plain loop, for work that is too small, or a GPU's.

    Raises:
        Exception: The first that a call raised.
    """
    if not in_threads:
        for item in items:
            function(item)
        return
    items = list(items)
    with _controller().limit(limits=1, user_api="blas"):
        if len(items) < 2 or thread_count() == 1:
            for item in items:
                function(item)
            return
        errors = np.geterr()  # new threads do not inherit it

        def call(item):
            with np.errstate(**errors):
                function(item)

        futures = [_executor(thread_count()).submit(call, item) for item in items]
        try:
            for future in futures:
                future.result()
        finally:  # after an error or Ctrl-C: no thread may go on in the caller's arrays
            for future in futures:
                future.cancel()
            concurrent.futures.wait(futures)


def in_order(function, items, workers, ahead=None):
    """Yield ``function(item)`` for each item, computed ahead on threads of its own.

    Meanwhile whoever asks for the results can do something else.

    Args:
        function (callable): May use :func:`for_each`.
        items (iterable): Taken one by one, in the caller's thread.
        workers (int): Number of threads.
        ahead (int): Results to compute before they are asked for; by default two a thread.
    """
    ahead, pending = ahead or 2 * workers, collections.deque()
    pool = concurrent.futures.ThreadPoolExecutor(workers, "in_order")
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def chunks(n, size):
    """Return slices of about equal length, at most ``size``, that cover range(n)."""
    n_chunks = max(-(-n // size), 1)
    bounds = [n * i // n_chunks for i in range(n_chunks + 1)]
    return list(map(slice, bounds, bounds[1:]))


def scratch(name, shape, dtype):
    """Return an uninitialized array that the same thread's next call with the same name may reuse.

    A fresh array costs more than the computation that fills it: the operating system hands it over page by
    page, all zeros.
    """
    buffers = _local.__dict__
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if name not in buffers or buffers[name].size < size:
        buffers[name] = np.empty(size, np.uint8)
    return buffers[name][:size].view(dtype).reshape(shape)


@functools.cache
def _controller():
    return ThreadpoolController()


@functools.cache
def _executor(n_threads):
    return concurrent.futures.ThreadPoolExecutor(n_threads, "tgan_chainer")


# A forked process has none of its parent's threads, and would wait for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_executor.cache_clear)
