"""Threads: as many as asked for, with no effect on results, and none that a forked process waits for."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tgan_chainer import parallel
from tgan_chainer.functions import convolution_nd
from tgan_chainer.kernels import compiled


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def test_the_number_of_threads_is_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert parallel.thread_count() == 3
    for nonsense in ("", "0", "many", "2,1"):
        monkeypatch.setenv("OMP_NUM_THREADS", nonsense)
        assert 1 <= parallel.thread_count() <= os.cpu_count()


def test_each_item_is_done_once_and_by_as_many_threads(two_threads):
    both_there = threading.Barrier(2, timeout=30)  # broken, which is an error, if one thread did both
    done = np.zeros(2, int)

    def work(i):
        both_there.wait()
        done[i] += 1

    parallel.for_each(work, range(2))
    assert done.tolist() == [1, 1]


def test_one_thread_is_the_caller(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    seen = set()
    parallel.for_each(lambda i: seen.add(threading.get_ident()), range(4))
    assert seen == {threading.get_ident()}


def test_an_error_in_a_thread_reaches_the_caller(two_threads):
    def fail(i):
        raise MemoryError(f"item {i}")

    with pytest.raises(MemoryError, match="item 0"):
        parallel.for_each(fail, range(4))


def test_after_an_error_no_thread_goes_on(two_threads):
    done, started = [], threading.Event()

    def work(i):
        if i == 0:
            started.wait(30)
            raise ValueError("item 0")
        started.set()
        time.sleep(0.2)
        done.append(i)

    with pytest.raises(ValueError):
        parallel.for_each(work, range(20))
    so_far = list(done)
    assert 1 in so_far and len(so_far) < 19  # it had begun, so it was waited for; most had not
    time.sleep(0.3)
    assert done == so_far


def test_threads_treat_overflow_as_the_caller_does(two_threads):
    def overflow(i):
        np.float32([3e38]) * np.float32([10])

    with np.errstate(over="ignore"):
        parallel.for_each(overflow, range(2))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        parallel.for_each(overflow, range(2))


def test_chunks_cover_everything_once():
    for n, size in ((0, 5), (1, 5), (7, 3), (8, 4), (100, 7)):
        pieces = parallel.chunks(n, size)
        assert sum((list(range(n))[p] for p in pieces), []) == list(range(n))
        assert max(p.stop - p.start for p in pieces) <= size


def test_scratch_is_reused_and_grows():
    a = parallel.scratch("test", (2, 3), np.float32)
    assert np.shares_memory(a, parallel.scratch("test", (6,), np.float32))
    assert not np.shares_memory(a, parallel.scratch("other", (6,), np.float32))
    assert parallel.scratch("test", (100, 7), np.float64).shape == (100, 7)


def large_convolution():
    x, W = np.random.uniform(-1, 1, (128, 32, 16, 16)), np.random.uniform(-1, 1, (64, 32, 4, 4))
    return convolution_nd(x.astype("f"), W.astype("f"), None, 2, 1).array


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch, workers):
    monkeypatch.setattr(compiled, "load", lambda: (None, ""))  # test_native.py is about its threads
    results = []
    for threads in "1", "2", "5":
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        np.random.seed(0)
        results.append(large_convolution())
        assert (len(workers) > 1) == (threads != "1")
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_does_not_wait_for_its_parents_threads():
    # In a process of its own: Python rightly warns of forking the one that pytest runs in.
    code = (
        "import os, warnings; warnings.simplefilter('ignore')\n"
        "from test_parallel import large_convolution\n"
        "large_convolution()\n"
        "pid = os.fork()\n"
        "large_convolution()\n"
        "pid and os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": os.path.dirname(__file__)}
    subprocess.run([sys.executable, "-c", code], env=environment, timeout=120, check=True)


def test_a_prepared_process_multiplies_matrices_on_one_thread():
    code = (
        "import numpy, threadpoolctl; from tgan_chainer.parallel import prepare_process\n"
        "prepare_process()\n"
        "found = [i for i in threadpoolctl.threadpool_info() if i['user_api'] == 'blas']\n"
        "assert found and all(i['num_threads'] == 1 for i in found)"
    )
    subprocess.run([sys.executable, "-c", code], timeout=120, check=True)
