"""Maximum pooling over windows of two is Chainer's that covers all, and PyTorch's in ceil mode."""

import numpy as np
import pytest

from tgan_chainer.functions import max_pooling

import chainer
import chainer.functions as F
import chainer.gradient_check
from chainer.backends import cuda

POOLED = [((2, 3, 16, 8, 8), (3, 4)), ((2, 3, 6, 8, 4), (2, 3, 4)), ((1, 2, 5, 7, 3), (2, 3, 4))]
POOLED += [((2, 1, 1, 1, 1), (2, 3, 4)), ((2, 3, 5, 2, 9), (3, 4)), ((2, 2, 9), (2,)), ((1, 2, 3, 4), (2, 3))]


def window_of(shape, axes):
    """Kernel and stride for other libraries: 2 on these axes, 1 on others but N and C."""
    return tuple(2 if axis in axes else 1 for axis in range(2, len(shape)))


@pytest.mark.parametrize(("shape", "axes"), POOLED)
def test_max_pooling_is_chainers_that_covers_all(xp, shape, axes):
    x = xp.asarray(np.random.randn(*shape).astype(np.float32))
    window = window_of(shape, axes)
    expected = F.max_pooling_nd(x, window, window, cover_all=True)
    found = max_pooling(x, axes)
    np.testing.assert_array_equal(cuda.to_cpu(found.array), cuda.to_cpu(expected.array))
    gy = xp.asarray(np.random.randn(*expected.shape).astype(np.float32))
    gradients = []
    for function in (
        lambda v: max_pooling(v, axes),
        lambda v: F.max_pooling_nd(v, window, window, cover_all=True),
    ):
        variable = chainer.Variable(x)
        (gradient,) = chainer.grad([function(variable)], [variable], [chainer.Variable(gy)])
        gradients.append(cuda.to_cpu(gradient.array))
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize(("shape", "axes"), [case for case in POOLED if len(case[0]) == 5])
def test_max_pooling_is_pytorchs_in_ceil_mode(shape, axes):
    torch = pytest.importorskip("torch")
    x, window = np.random.randn(*shape), window_of(shape, axes)
    theirs = torch.from_numpy(x).requires_grad_()
    expected = torch.nn.functional.max_pool3d(theirs, window, window, ceil_mode=True)
    ours = chainer.Variable(x)
    found = max_pooling(ours, axes)
    np.testing.assert_array_equal(found.array, expected.detach().numpy())
    gy = np.random.randn(*found.shape)
    expected.backward(torch.from_numpy(gy))
    (gradient,) = chainer.grad([found], [ours], [chainer.Variable(gy)])
    np.testing.assert_array_equal(gradient.array, theirs.grad.numpy())


def test_pooling_keeps_what_is_no_number(xp):
    x = np.arange(2 * 3 * 5 * 9, dtype=np.float32).reshape(2, 3, 5, 9)
    x[0, 0, 0, 0] = x[0, 0, 1, 3] = x[1, 2, 4, 8] = np.nan
    found = cuda.to_cpu(max_pooling(xp.asarray(x), (2, 3)).array)
    expected = np.full((2, 3, 6, 10), -np.inf, np.float32)
    expected[..., :5, :9] = x
    expected = expected.reshape(2, 3, 3, 2, 5, 2).max(axis=(3, 5))  # NumPy's maximum of NaN is NaN
    np.testing.assert_array_equal(found, expected)


def test_gradients_of_max_pooling_are_those_of_finite_differences(xp):
    # All values are at least 1 apart, so that small steps change no maximum.
    x = xp.asarray(np.random.permutation(2 * 3 * 5 * 4).reshape(1, 2, 3, 5, 4).astype(np.float64))
    gy = xp.asarray(np.random.randn(1, 2, 2, 3, 2))
    chainer.gradient_check.check_backward(lambda v: max_pooling(v, (2, 3, 4)), x, gy, dtype=np.float64)


def test_of_equal_neighbours_the_first_has_the_gradient(xp):
    x = chainer.Variable(xp.asarray([[3.0, 3.0, 1.0, 1.0, 5.0]]))
    (gradient,) = chainer.grad([max_pooling(x, (1,))], [x], [chainer.Variable(xp.asarray([[1.0, 2.0, 4.0]]))])
    np.testing.assert_array_equal(cuda.to_cpu(gradient.array), [[1, 0, 2, 0, 4]])


@pytest.mark.parametrize("axes", [(3, 4), (2, 3, 4)])
def test_the_input_of_max_pooling_stays_as_it_was_whatever_its_order_in_memory(axes):
    values = np.random.randn(2, 3, 5, 6, 7)
    for x in values, np.asfortranarray(values), np.moveaxis(np.moveaxis(values, 0, -1).copy(), -1, 0):
        before = x.copy()
        found = max_pooling(x, axes).array
        np.testing.assert_array_equal(x, before)
        window = window_of(x.shape, axes)
        np.testing.assert_array_equal(found, F.max_pooling_nd(before, window, window).array)
