"""Winograd's algorithm gives the convolutions that Chainer's own functions give."""

import itertools

import numpy as np
import pytest

import tgan_chainer.functions.convolution_nd as module
from tgan_chainer.functions import minimal_filtering, three_tap_filtering
from tgan_chainer.functions.convolution_nd import convolution_nd, deconvolution_nd
from tgan_chainer.functions.minimal_filtering import MinimalFiltering
from tgan_chainer.functions.three_tap_filtering import ThreeTapFiltering

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


@pytest.fixture(params=[(64, 1024), (3, 4)], ids=["whole", "many blocks"])
def block_size(request, monkeypatch):
    for algorithm, rows in ((minimal_filtering, 8), (three_tap_filtering, 2)):
        for name, value in zip(("_BATCH", "_COLUMNS", "_ROWS"), (*request.param, rows)):
            monkeypatch.setattr(algorithm, name, value)


def algorithm_for(kernel, stride, pad, large, small):
    if set(kernel) == {3} and set(stride) == {1}:
        return ThreeTapFiltering(pad, large, small)
    return MinimalFiltering(kernel, stride, pad, large, small)


def last(array):
    return np.ascontiguousarray(np.moveaxis(array, 0, -1))


def first(array):
    return np.moveaxis(array, -1, 0)


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize(
    ("grid", "n", "channels"), list(itertools.product(GRIDS + THREE_TAP_GRIDS, (1, 7), ((1, 2), (5, 3))))
)
def test_all_three_are_those_of_chainer_in_float64(grid, n, channels):
    kernel, stride, pad, large, small = grid
    random_state = np.random.RandomState(0)
    x = random_state.randn(n, channels[0], *large)
    W = random_state.randn(channels[1], channels[0], *kernel)
    gy = random_state.randn(n, channels[1], *small)
    algorithm = algorithm_for(*grid)

    y = F.convolution_nd(x, W, None, stride, pad).array
    assert y.shape == gy.shape
    np.testing.assert_allclose(first(algorithm.convolve(last(x), W)), y, rtol=0, atol=1e-12)

    gx = F.deconvolution_nd(gy, W, None, stride, pad, outsize=large).array
    np.testing.assert_allclose(first(algorithm.deconvolve(last(gy), W)), gx, rtol=0, atol=1e-12)

    # The convolution is linear in W: element by element its gradient is a scalar product.
    gW = algorithm.kernel_gradient(last(x), last(gy))
    assert gW.shape == W.shape
    for index in list(np.ndindex(*W.shape))[:: max(1, W.size // 20)]:
        unit = np.zeros_like(W)
        unit[index] = 1
        expected = np.vdot(F.convolution_nd(x, unit, None, stride, pad).array, gy)
        assert gW[index] == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize(("grid", "limit"), [(GRIDS[5], 8), (THREE_TAP_GRIDS[4], 3)])
def test_rounding_errors_are_a_few_times_those_of_the_direct_sum(grid, limit):
    kernel, stride, pad, large, _ = grid
    random_state = np.random.RandomState(0)
    x = random_state.randn(8, 64, *large).astype(np.float32)
    W = random_state.randn(32, 64, *kernel).astype(np.float32)
    exact = F.convolution_nd(x.astype(np.float64), W.astype(np.float64), None, stride, pad).array
    error = abs(first(algorithm_for(*grid).convolve(last(x), W)) - exact).max()
    direct = abs(F.convolution_nd(x, W, None, stride, pad).array - exact).max()
    assert error < limit * direct
    assert error < 3e-6 * abs(exact).max()


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("grid", [GRIDS[5], THREE_TAP_GRIDS[4]])
def test_results_do_not_depend_on_the_number_of_threads(grid, monkeypatch):
    kernel, _, _, large, small = grid
    random_state = np.random.RandomState(0)
    x, gy = (random_state.randn(c, *axes, 7).astype("f") for c, axes in ((9, large), (5, small)))
    W = random_state.randn(5, 9, *kernel).astype("f")
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        algorithm = algorithm_for(*grid)
        y, gx, gW = algorithm.convolve(x, W), algorithm.deconvolve(gy, W), algorithm.kernel_gradient(x, gy)
        results.append((y, gx, gW))
    for one, three in zip(*results):
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("function", [convolution_nd, deconvolution_nd])
def test_functions_of_three_taps_and_their_gradients_are_those_of_chainer(function, n, monkeypatch):
    theirs = getattr(F, function.__name__)
    random_state = np.random.RandomState(0)
    x, W, b, gy = (random_state.randn(*s) for s in ((n, 4, 8, 9, 9), (4, 4, 3, 3, 3), (4,), (n, 4, 8, 9, 9)))
    monkeypatch.setattr(module, "_MIN_CHANNELS", 4)
    monkeypatch.setattr(module, "_LARGE", 1)
    taken = []
    monkeypatch.setattr(
        module, "ThreeTapFiltering", lambda *grid: taken.append(grid) or ThreeTapFiltering(*grid)
    )
    results = []
    for function_ in (function, theirs):
        inputs = [chainer.Variable(a) for a in (x, W, b)]
        y = function_(*inputs, stride=1, pad=1)
        gradients = chainer.grad([y], inputs, [chainer.Variable(gy)])
        results.append([v.array for v in (y, *gradients)])
    assert len(taken) == 3
    for ours, expected in zip(*results):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-11)


def test_the_layers_of_the_paper_take_it(monkeypatch):
    taken = []
    monkeypatch.setattr(
        MinimalFiltering, "convolve", lambda self, x, W: taken.append(W.shape) or np.zeros((64, 16, 16, 128))
    )
    convolution_nd(np.zeros((128, 32, 32, 32), "f"), np.zeros((64, 32, 4, 4), "f"), None, 2, 1)
    convolution_nd(np.zeros((2, 32, 32, 32), "f"), np.zeros((8, 32, 4, 4), "f"), None, 2, 1)
    assert taken == [(64, 32, 4, 4)]


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
    grid = module._Grid((3,) * 3, (1,) * 3, (1,) * 3, axes, axes)
    x = np.broadcast_to(np.float32(0), (n, channels[0], *axes))
    algorithm = grid.minimal_filtering(x, (channels[1], channels[0], 3, 3, 3))
    assert isinstance(algorithm, ThreeTapFiltering) == is_taken
    assert is_taken or algorithm is None
