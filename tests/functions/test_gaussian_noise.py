"""Gaussian noise is of the variance asked for, and lies in memory as the array that it is added to."""

import numpy as np

from tgan_chainer.functions import gaussian_noise
from tgan_chainer.kernels import layout

import chainer


def test_noise_is_normal_and_of_the_deviation_asked_for():
    x = layout.batch_first(np.zeros((5, 40, 40, 8), "f"))
    y = gaussian_noise(chainer.Variable(x), 0.3).array
    assert y.dtype == np.float32 and y.strides == x.strides
    assert abs(y.mean()) < 0.01
    share = [np.mean(abs(y) < k * 0.3) for k in (1, 2)]
    np.testing.assert_allclose(share, [0.6827, 0.9545], atol=0.01)


def test_the_gradient_is_that_of_the_sum():
    x = chainer.Variable(np.ones((2, 3, 4), "f"))
    gy = np.random.randn(2, 3, 4).astype("f")
    (gx,) = chainer.grad([gaussian_noise(x, 0.5)], [x], [chainer.Variable(gy)])
    np.testing.assert_array_equal(gx.array, gy)
