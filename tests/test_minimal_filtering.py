"""Winograd's algorithm gives the convolutions that Chainer's own functions give."""

import itertools

import numpy as np
import pytest

from tgan_chainer.functions import minimal_filtering
from tgan_chainer.functions.convolution_nd import convolution_nd
from tgan_chainer.functions.minimal_filtering import MinimalFiltering

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


@pytest.fixture(params=[(64, 1024), (3, 4)], ids=["whole", "many blocks"])
def block_size(request, monkeypatch):
    for name, value in zip(("_BATCH", "_COLUMNS"), request.param):
        monkeypatch.setattr(minimal_filtering, name, value)
    monkeypatch.setattr(minimal_filtering, "_ROWS", 8)


def last(array):
    return np.ascontiguousarray(np.moveaxis(array, 0, -1))


def first(array):
    return np.moveaxis(array, -1, 0)


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize(("grid", "n", "channels"), list(itertools.product(GRIDS, (1, 7), ((1, 2), (5, 3)))))
def test_all_three_are_those_of_chainer_in_float64(grid, n, channels):
    kernel, stride, pad, large, small = grid
    random_state = np.random.RandomState(0)
    x = random_state.randn(n, channels[0], *large)
    W = random_state.randn(channels[1], channels[0], *kernel)
    gy = random_state.randn(n, channels[1], *small)
    algorithm = MinimalFiltering(*grid)

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


def test_rounding_errors_are_a_few_times_those_of_the_direct_sum():
    random_state = np.random.RandomState(0)
    grid = GRIDS[5]
    x, W = random_state.randn(8, 64, *grid[3]), random_state.randn(32, 64, *grid[0])
    exact = F.convolution_nd(x, W, None, 2, 1).array
    x, W = x.astype(np.float32), W.astype(np.float32)
    error = abs(first(MinimalFiltering(*grid).convolve(last(x), W)) - exact).max()
    direct = abs(F.convolution_nd(x, W, None, 2, 1).array - exact).max()
    assert error < 8 * direct
    assert error < 3e-6 * abs(exact).max()


def test_the_layers_of_the_paper_take_it(monkeypatch):
    taken = []
    monkeypatch.setattr(
        MinimalFiltering, "convolve", lambda self, x, W: taken.append(W.shape) or np.zeros((64, 16, 16, 128))
    )
    convolution_nd(np.zeros((128, 32, 32, 32), "f"), np.zeros((64, 32, 4, 4), "f"), None, 2, 1)
    convolution_nd(np.zeros((2, 32, 32, 32), "f"), np.zeros((8, 32, 4, 4), "f"), None, 2, 1)
    assert taken == [(64, 32, 4, 4)]
