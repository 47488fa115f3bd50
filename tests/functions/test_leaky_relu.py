"""Our ReLU and leaky ReLU are Chainer's, bit for bit, in the memory order of their input."""

import numpy as np
import pytest

from tgan_chainer.functions import leaky_relu, relu

import chainer
import chainer.functions as F


@pytest.mark.parametrize(
    ("ours", "theirs"), [(relu, F.relu), (leaky_relu, F.leaky_relu)], ids=["relu", "leaky_relu"]
)
def test_outputs_and_gradients_are_those_of_chainer(ours, theirs):
    x = np.moveaxis(np.random.uniform(-1, 1, (3, 4, 2)).astype("f"), -1, 0)
    x[0, 0] = [-1, -0.0, 0, 1]  # the derivative at zero, too
    results = []
    for function in ours, theirs:
        v = chainer.Variable(x)
        y = function(v)
        results.append([y.array, chainer.grad([y], [v], [chainer.Variable(x + 2)])[0].array])
    for found, expected in zip(*results):
        np.testing.assert_array_equal(found, expected)
        assert found.strides == x.strides


def test_the_slope_of_the_discriminator_is_the_papers():
    assert leaky_relu(np.float32([-1, 2])).array.tolist() == [np.float32(-0.2), 2]
    assert leaky_relu(np.float32([-1, 2]), slope=0.5).array.tolist() == [-0.5, 2]
