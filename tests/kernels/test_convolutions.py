"""Every way to convolve gives what Chainer's own functions give."""

import itertools

import numpy as np
import pytest

from tgan_chainer.kernels import Grid, aten, columns, compiled
from tgan_chainer.kernels.layout import batch_first

import chainer.functions as F

# kernel, stride, pad, large, small
GRIDS = [
    ((4,), (2,), (1,), (16,), (8,)),
    ((2,), (1,), (1,), (5,), (6,)),
    ((4, 4), (2, 2), (1, 1), (8, 12), (4, 6)),
    ((3, 4), (2, 2), (0, 2), (9, 6), (4, 4)),
    ((6, 2), (3, 1), (2, 0), (12, 5), (4, 4)),
    ((4, 4, 4), (2, 2, 2), (1, 1, 1), (4, 8, 8), (2, 4, 4)),
    ((3, 4, 2), (2, 3, 1), (1, 0, 1), (8, 13, 3), (4, 4, 4)),
    ((3,), (1,), (1,), (8,), (8,)),
    ((3,), (1,), (0,), (3,), (1,)),
    ((3, 3), (1, 1), (1, 1), (6, 7), (6, 7)),
    ((3, 3), (1, 1), (4, 0), (5, 8), (11, 6)),
    ((3, 3, 3), (1, 1, 1), (1, 1, 1), (2, 7, 7), (2, 7, 7)),
    ((3, 3, 3), (1, 1, 1), (1, 2, 0), (4, 8, 9), (4, 10, 7)),
    ((5,), (3,), (2,), (11,), (4,)),
    ((4, 4), (2, 2), (1, 1), (2, 6), (1, 3)),
    ((1, 5, 2), (1, 2, 3), (0, 2, 1), (3, 6, 7), (3, 3, 3)),
]
WAYS = [*itertools.product([columns, aten], GRIDS)]


@pytest.fixture(autouse=True)
def without_compiled_kernels(monkeypatch):
    """Let NumPy compute: test_native.py is about the compiled ones."""
    monkeypatch.setattr(compiled, "load", lambda: (None, ""))


@pytest.fixture(params=["whole", "many blocks"])
def block_size(request, monkeypatch):
    if request.param == "many blocks":
        monkeypatch.setattr(columns, "_SMALL_PRODUCT", 1)
        monkeypatch.setattr(columns, "_MIN_COLUMNS", 6)


def last(array):
    """Copy an array (N, C, *axes) into the memory order of our own kernels, under the same shape."""
    return batch_first(np.ascontiguousarray(np.moveaxis(array, 0, -1)))


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize(("n", "channels"), list(itertools.product((1, 7), ((1, 2), (5, 3)))))
@pytest.mark.parametrize(("way", "grid"), WAYS)
def test_all_three_are_those_of_chainer_in_float64(way, grid, n, channels):
    if way is aten:
        pytest.importorskip("torch")
    kernel, stride, pad, large, small = grid
    random_state = np.random.RandomState(0)
    x = random_state.randn(n, channels[0], *large)
    W = random_state.randn(channels[1], channels[0], *kernel)
    gy = random_state.randn(n, channels[1], *small)

    y = F.convolution_nd(x, W, None, stride, pad).array
    assert y.shape == gy.shape
    np.testing.assert_allclose(way.convolve(last(x), W, Grid(*grid)), y, rtol=0, atol=1e-12)

    gx = F.deconvolution_nd(gy, W, None, stride, pad, outsize=large).array
    np.testing.assert_allclose(way.deconvolve(last(gy), W, Grid(*grid)), gx, rtol=0, atol=1e-12)

    # The convolution is linear in W: element by element its gradient is a scalar product.
    gW = way.kernel_gradient(last(x), last(gy), Grid(*grid))
    assert gW.shape == W.shape
    for index in list(np.ndindex(*W.shape))[:: max(1, W.size // 20)]:
        unit = np.zeros_like(W)
        unit[index] = 1
        expected = np.vdot(F.convolution_nd(x, unit, None, stride, pad).array, gy)
        assert gW[index] == pytest.approx(expected, abs=1e-11)


def test_our_own_results_lie_in_memory_with_the_batch_last():
    kernel, _, _, large, small = grid = GRIDS[5]
    W = np.ones((3, 2, *kernel), "f")
    y = columns.convolve(np.ones((4, 2, *large), "f"), W, Grid(*grid))
    x = columns.deconvolve(np.ones((4, 3, *small), "f"), W, Grid(*grid))
    assert all(np.moveaxis(array, 0, -1).flags.c_contiguous for array in (x, y))


@pytest.mark.usefixtures("block_size")
def test_results_do_not_depend_on_the_number_of_threads(monkeypatch, workers):
    kernel, _, _, large, small = grid = GRIDS[6]
    random_state = np.random.RandomState(0)
    x, y = (random_state.randn(7, c, *axes).astype("f") for c, axes in ((9, large), (5, small)))
    W = random_state.randn(5, 9, *kernel).astype("f")
    monkeypatch.setattr(columns, "_LARGE", 1)
    monkeypatch.setattr(columns, "_MIN_COLUMNS", 6)  # several blocks
    monkeypatch.setattr(columns, "_SMALL_PRODUCT", 1)
    operations = (columns.convolve, (x, W)), (columns.deconvolve, (y, W)), (columns.kernel_gradient, (x, y))
    for function, first in operations:
        results = []
        workers.clear()
        for threads in ("1", "3", "3"):
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
            results.append(function(*first, Grid(*grid)))
            assert (len(workers) > 1) == (threads == "3")
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])
