import numpy as np
import pytest

from tgan_chainer import functions
from tgan_chainer.kernels import native

import chainer
import chainer.functions as F
from chainer.backends import cuda


@pytest.mark.parametrize("shape", [(3, 5), (8, 3, 4, 5, 6), (1, 1, 7)])
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_it_is_that_of_chainer(shape, dtype):
    random_state = np.random.RandomState(0)
    x, gy = (chainer.Variable((3 * random_state.standard_normal(shape)).astype(dtype)) for _ in range(2))
    results = []
    for function in functions.tanh, F.tanh:
        y = function(x)
        results.append([y.array, chainer.grad([y], [x], [gy])[0].array])
    for ours, theirs in zip(*results):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=4e-7 if dtype == "f" else 0, atol=4e-6 * (dtype == "f"))


def test_the_error_is_a_few_units_in_the_last_place_everywhere():
    x = np.concatenate([np.linspace(-12, 12, 10**5), np.logspace(-38, 38, 10**4), [np.inf, -np.inf, 0]])
    x = x.astype("f")[:, None]
    y, exact = functions.tanh(x).array, np.tanh(x.astype("d"))
    np.testing.assert_allclose(y, exact, rtol=4e-7)
    assert abs(y).max() == 1 and np.isnan(functions.tanh(np.full((1, 1), np.nan, "f")).array).all()


def test_the_compiled_one_is_used_where_there_is_one():
    x = np.ones((2, 3), "f")
    compiled = native.description().startswith("compiled")
    assert (functions.tanh(x).creator.__class__.__module__ == functions.tanh.__module__) == compiled


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [(4,), (3, 2), (3, 2, 4), (3, 2, 4, 5)])
@pytest.mark.parametrize("is_last", [False, True])
def test_on_a_gpu_it_is_that_of_chainer_in_the_order_of_what_came_in(shape, is_last):
    x, gy = (np.random.randn(*shape).astype("f") for _ in range(2))
    x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0) if is_last else x
    results = []
    for function, send in (functions.tanh, cuda.cupy.asarray), (F.tanh, np.asarray):
        v = chainer.Variable(send(x))
        y = function(v)
        (gx,) = chainer.grad([y], [v], [chainer.Variable(send(gy))])
        results.append([cuda.to_cpu(y.array), cuda.to_cpu(gx.array)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
