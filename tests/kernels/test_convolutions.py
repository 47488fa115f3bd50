"""Every way to convolve gives what Chainer's own functions give."""

import itertools

import numpy as np
import pytest

from tgan_chainer import functions
from tgan_chainer.kernels import (
    Grid,
    aten,
    choice,
    choose,
    columns,
    native,
    winograd_three_taps,
    winograd_two_taps,
)
from tgan_chainer.kernels.layout import batch_first

import chainer
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
]
THREE_TAP_GRIDS = [
    ((3,), (1,), (1,), (8,), (8,)),
    ((3,), (1,), (0,), (3,), (1,)),
    ((3, 3), (1, 1), (1, 1), (6, 7), (6, 7)),
    ((3, 3), (1, 1), (4, 0), (5, 8), (11, 6)),
    ((3, 3, 3), (1, 1, 1), (1, 1, 1), (2, 7, 7), (2, 7, 7)),
    ((3, 3, 3), (1, 1, 1), (1, 2, 0), (4, 8, 9), (4, 10, 7)),
]


OTHER_GRIDS = [
    ((5,), (3,), (2,), (11,), (4,)),
    ((4, 4), (2, 2), (1, 1), (2, 6), (1, 3)),
    ((1, 5, 2), (1, 2, 3), (0, 2, 1), (3, 6, 7), (3, 3, 3)),
]
WAYS = [
    *itertools.product([winograd_two_taps], GRIDS),
    *itertools.product([winograd_three_taps], THREE_TAP_GRIDS),
    *itertools.product([columns, aten], GRIDS + THREE_TAP_GRIDS + OTHER_GRIDS),
]


@pytest.fixture(autouse=True)
def without_compiled_kernels(monkeypatch):
    """Let NumPy compute: test_native.py is about the compiled ones."""
    monkeypatch.setattr(native, "_load", lambda: (None, ""))


@pytest.fixture(params=[(64, 1024), (3, 4)], ids=["whole", "many blocks"])
def block_size(request, monkeypatch):
    for algorithm, rows in ((winograd_two_taps, 8), (winograd_three_taps, 2)):
        for name, value in zip(("_BATCH", "_COLUMNS", "_ROWS"), (*request.param, rows)):
            monkeypatch.setattr(algorithm, name, value)
    if request.param[0] == 3:
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


@pytest.mark.parametrize("way", [winograd_two_taps, winograd_three_taps, columns])
def test_our_own_results_lie_in_memory_with_the_batch_last(way):
    grid = GRIDS[5] if way is winograd_two_taps else THREE_TAP_GRIDS[4]
    kernel, _, _, large, small = grid
    W = np.ones((3, 2, *kernel), "f")
    y = way.convolve(np.ones((4, 2, *large), "f"), W, Grid(*grid))
    x = way.deconvolve(np.ones((4, 3, *small), "f"), W, Grid(*grid))
    assert all(np.moveaxis(array, 0, -1).flags.c_contiguous for array in (x, y))


@pytest.mark.parametrize(
    ("way", "grid", "limit"), [(winograd_two_taps, GRIDS[5], 8), (winograd_three_taps, THREE_TAP_GRIDS[4], 3)]
)
def test_rounding_errors_are_a_few_times_those_of_the_direct_sum(way, grid, limit):
    kernel, stride, pad, large, _ = grid
    random_state = np.random.RandomState(0)
    x = random_state.randn(8, 64, *large).astype(np.float32)
    W = random_state.randn(32, 64, *kernel).astype(np.float32)
    exact = F.convolution_nd(x.astype(np.float64), W.astype(np.float64), None, stride, pad).array
    error = abs(way.convolve(x, W, Grid(*grid)) - exact).max()
    direct = abs(F.convolution_nd(x, W, None, stride, pad).array - exact).max()
    assert error < limit * direct
    assert error < 3e-6 * abs(exact).max()


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize(
    ("way", "grid"),
    [(winograd_two_taps, GRIDS[5]), (winograd_three_taps, THREE_TAP_GRIDS[4]), (columns, GRIDS[6])],
)
def test_results_do_not_depend_on_the_number_of_threads(way, grid, monkeypatch, workers):
    kernel, _, _, large, small = grid
    random_state = np.random.RandomState(0)
    x, y = (random_state.randn(7, c, *axes).astype("f") for c, axes in ((9, large), (5, small)))
    W = random_state.randn(5, 9, *kernel).astype("f")
    monkeypatch.setattr(columns, "_LARGE", 1)
    monkeypatch.setattr(columns, "_MIN_COLUMNS", 6)  # several blocks
    monkeypatch.setattr(columns, "_SMALL_PRODUCT", 1)
    for function, first in (way.convolve, (x, W)), (way.deconvolve, (y, W)), (way.kernel_gradient, (x, y)):
        results = []
        workers.clear()
        for threads in ("1", "3", "3"):
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
            results.append(function(*first, Grid(*grid)))
            assert (len(workers) > 1) == (threads == "3")
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("name", ["convolution_nd", "deconvolution_nd"])
def test_functions_of_three_taps_and_their_gradients_are_those_of_chainer(name, n, monkeypatch):
    random_state = np.random.RandomState(0)
    x, W, b, gy = (random_state.randn(*s) for s in ((n, 4, 8, 9, 9), (4, 4, 3, 3, 3), (4,), (n, 4, 8, 9, 9)))
    monkeypatch.setattr(choice, "_MIN_CHANNELS", 4)
    monkeypatch.setattr(columns, "_LARGE", 1)
    taken = []
    for operation in "convolve", "deconvolve", "kernel_gradient":
        compute = getattr(winograd_three_taps, operation)

        def spy(*arguments, compute=compute, operation=operation):
            taken.append(operation)
            return compute(*arguments)

        monkeypatch.setattr(winograd_three_taps, operation, spy)
    results = []
    for function in getattr(functions, name), getattr(F, name):
        inputs = [chainer.Variable(a) for a in (x, W, b)]
        y = function(*inputs, stride=1, pad=1)
        gradients = chainer.grad([y], inputs, [chainer.Variable(gy)])
        results.append([v.array for v in (y, *gradients)])
    assert sorted(taken) == ["convolve", "deconvolve", "kernel_gradient"]
    for ours, expected in zip(*results):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("n_out", "way"), [(64, winograd_two_taps), (8, columns)])
def test_the_wide_layers_of_the_paper_take_two_taps(n_out, way):
    grid = Grid((4, 4), (2, 2), (1, 1), (32, 32), (16, 16))
    assert choose(grid, np.broadcast_to(np.float32(0), (128, 32, 32, 32)), (n_out, 32, 4, 4)) is way


@pytest.mark.parametrize(
    ("n", "channels", "axes", "is_taken"),
    [
        (4, (64, 128), (16, 56, 56), True),  # conv2a of C3D
        (4, (512, 512), (4, 14, 14), True),  # conv4b
        (1, (512, 512), (4, 14, 14), True),
        (4, (3, 64), (16, 112, 112), False),  # conv1a
        (4, (512, 512), (2, 7, 7), False),  # conv5b: transforming its kernel takes as long as it saves
        (16, (512, 512), (2, 7, 7), True),
        (4, (32, 32), (4, 14, 14), False),
    ],
)
def test_the_wide_layers_of_c3d_take_three_taps(n, channels, axes, is_taken):
    grid = Grid((3,) * 3, (1,) * 3, (1,) * 3, axes, axes)
    x = np.broadcast_to(np.float32(0), (n, channels[0], *axes))
    way = choose(grid, x, (channels[1], channels[0], 3, 3, 3))
    assert way is (winograd_three_taps if is_taken else columns)
