"""Our batch normalization with leaky ReLU computes what Chainer's two functions do, in one."""

import functools
import sys

import numpy as np
import pytest

from tgan_chainer.errors import InputError
from tgan_chainer.functions import batch_normalization, fixed_batch_normalization, leaky_relu, relu
from tgan_chainer.kernels import compiled
from tgan_chainer.links.batch_normalization import BatchNormalization

import chainer
import chainer.functions as F
import chainer.links as L
from chainer import gradient_check
from chainer.utils import type_check

module = sys.modules["tgan_chainer.functions.batch_normalization"]  # the package has the function's name

SHAPES = [(5, 3), (4, 3, 5), (2, 3, 5, 4), (2, 3, 3, 4, 5), (1, 3, 2, 2)]
SLOPES = [0.0, 0.2, 1.0]
TOLERANCE = {"float32": {"rtol": 1e-4, "atol": 1e-5}, "float64": {"rtol": 1e-9, "atol": 1e-10}}


@pytest.fixture(params=[1 << 16, 7], ids=["one tile", "many tiles"])
def tiles(request, monkeypatch):
    monkeypatch.setattr(module, "_TILE_SIZE", request.param)


def _draw(shape, dtype="float64"):
    return np.random.uniform(-1, 1, shape).astype(dtype)


def _inputs(shape, use_beta, dtype="float64"):
    parameters = [1 + _draw(shape[1], dtype) / 2, _draw(shape[1], dtype)]
    return [3 + _draw(shape, dtype), *parameters[: 1 + use_beta]]


def _theirs(x, gamma, beta=None, slope=1.0, **running):
    beta = np.zeros_like(gamma.array) if beta is None else beta
    y = F.batch_normalization(x, gamma, beta, axis=(0, *range(2, x.ndim)), **running)
    return y if slope == 1 else F.leaky_relu(y, slope)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("use_beta", [True, False])
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_gradients_and_running_statistics_are_those_of_chainer(shape, slope, use_beta, dtype, tiles):
    arrays, gy = _inputs(shape, use_beta, dtype), _draw(shape, dtype)
    results = []
    for function in (_theirs, batch_normalization):
        inputs = [chainer.Variable(a) for a in arrays]
        running = {"running_mean": np.zeros(3, dtype), "running_var": np.ones(3, dtype)}
        y = function(*inputs, slope=slope, **running)
        gradients = chainer.grad([y], inputs, [chainer.Variable(gy)])
        results.append([y.array, *(g.array for g in gradients), *running.values()])
    for theirs, ours in zip(*results, strict=True):
        assert ours.dtype == dtype
        chainer.testing.assert_allclose(ours, theirs, **TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("use_beta", [True, False])
@pytest.mark.parametrize("shape", [(10, 3), (6, 3, 5, 4), (16, 3, 2, 3, 4), (4, 3, 2), (30, 3, 41, 9)])
def test_several_batches_are_normalized_as_each_of_them(xp, shape, use_beta, dtype):
    n_batches = 3 if shape[0] % 3 == 0 else 2
    arrays, gy, results = _inputs(shape, use_beta, dtype), _draw(shape, dtype), []
    arrays[0] += np.arange(len(gy)).reshape(-1, *(1 for _ in shape[1:]))  # each batch has another mean

    def apart(x, *parameters, **arguments):
        parts = F.split_axis(x, n_batches, axis=0)
        return F.concat([_theirs(part, *parameters, **arguments) for part in parts], axis=0)

    together = functools.partial(batch_normalization, n_batches=n_batches)
    for function, module, batch_axis in (apart, np, 0), (together, xp, 0), (together, xp, -1):
        inputs = [chainer.Variable(module.asarray(a)) for a in arrays]
        inputs[0].array = _with_memory_order(inputs[0].array, batch_axis)
        running = {"running_mean": module.zeros(3, dtype), "running_var": module.ones(3, dtype)}
        y = function(*inputs, slope=0.2, **running)
        gradients = chainer.grad([y], inputs, [chainer.Variable(module.asarray(gy))])
        found = [y.array, *(g.array for g in gradients), *running.values()]
        results.append([chainer.get_device("@numpy").send(array) for array in found])
    for theirs, *both in zip(*results, strict=True):
        for ours in both:
            assert ours.dtype == dtype
            chainer.testing.assert_allclose(ours, theirs, **TOLERANCE[dtype])


def test_batches_are_of_one_size(xp):
    x, gamma, beta = (xp.asarray(a) for a in _inputs((5, 3, 4), True, "float32"))
    with pytest.raises(InputError, match="2 batches of equal size"):
        batch_normalization(x, gamma, beta, n_batches=2)


def _with_memory_order(x, batch_axis):
    """Copy x (N, ...) so that N lies outermost (0) or innermost (-1) in memory."""
    xp = chainer.backend.get_array_module(x)
    return xp.moveaxis(xp.ascontiguousarray(xp.moveaxis(x, 0, batch_axis)), batch_axis, 0)


@pytest.mark.parametrize("use_beta", [True, False])
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("fixed", [True, False])
def test_gradients_are_those_of_the_function(fixed, slope, use_beta, tiles):
    shape = (3, 3, 4, 2)
    mean, var = _draw(3), 1 + _draw(3) / 2

    def function(x, gamma, beta=None):
        if fixed:
            return fixed_batch_normalization(x, gamma, beta, mean, var, slope)
        return batch_normalization(x, gamma, beta, slope)

    gradient_check.check_backward(function, _inputs(shape, use_beta), _draw(shape), atol=1e-4, rtol=1e-4)


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch, workers):
    monkeypatch.setattr(compiled, "load", lambda: (None, ""))  # NumPy's threads; others are not Python's
    monkeypatch.setattr(module, "_MIN_PART", 1)
    arrays, gy, results = _inputs((7, 19, 5, 4), True, "float32"), _draw((7, 19, 5, 4), "float32"), []
    for threads in "1", "3":
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        inputs = [chainer.Variable(a) for a in arrays]
        y = batch_normalization(*inputs, slope=0.2)
        results.append([y, *chainer.grad([y], inputs, [chainer.Variable(gy)])])
        assert (len(workers) > 1) == (threads == "3")
    for one, three in zip(*results):
        np.testing.assert_array_equal(one.array, three.array)


def test_a_large_mean_costs_no_precision():
    x = (1000 + _draw((64, 2, 40, 40))).astype("float32")
    y = batch_normalization(x, np.ones(2, "float32")).array
    x = x.astype("float64")
    exact = (x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True)
    chainer.testing.assert_allclose(y, exact, atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES[2:])
@pytest.mark.parametrize("use_beta", [True, False])
def test_the_link_does_what_chainers_does(use_beta, shape):
    links = [L.BatchNormalization(3, use_beta=use_beta), BatchNormalization(3, use_beta=use_beta)]
    assert [name for name, _ in links[0].namedparams()] == [name for name, _ in links[1].namedparams()]
    for _ in range(3):
        x = _draw(shape, "float32")
        chainer.testing.assert_allclose(links[1](x, relu).array, F.relu(links[0](x)).array, atol=1e-4)
    chainer.testing.assert_allclose(links[1].avg_mean, links[0].avg_mean, atol=1e-6)
    chainer.testing.assert_allclose(links[1].avg_var, links[0].avg_var, atol=1e-6)
    with chainer.using_config("train", False):
        chainer.testing.assert_allclose(links[1](x, relu).array, F.relu(links[0](x)).array, atol=1e-5)


@pytest.mark.parametrize(("activation", "theirs"), [(None, F.identity), (leaky_relu, F.leaky_relu)])
def test_the_link_applies_the_activation_it_is_given(activation, theirs):
    x = _draw((4, 3, 5), "float32")
    y = theirs(L.BatchNormalization(3)(x))
    chainer.testing.assert_allclose(BatchNormalization(3)(x, activation).array, y.array, atol=1e-5)


def test_a_second_derivative_is_refused():
    x = chainer.Variable(_draw((4, 3)))
    y = batch_normalization(x, np.ones(3))
    with pytest.raises(NotImplementedError, match="second derivative"):
        chainer.grad([y], [x], [chainer.Variable(_draw((4, 3)))], enable_double_backprop=True)


def test_a_scale_that_does_not_fit_is_refused():
    with pytest.raises(type_check.InvalidType):
        batch_normalization(_draw((2, 3, 4)), np.ones(4))


@pytest.mark.gpu
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_gpu_computes_what_the_cpu_does(shape, slope, fixed):
    arrays, gy = _inputs(shape, True, "float32"), _draw(shape, "float32")
    statistics = _draw(3, "float32"), 1 + _draw(3, "float32") / 2
    results = []
    for name in ("@numpy", "@cupy:0"):
        device = chainer.get_device(name)
        inputs = [chainer.Variable(device.send(a)) for a in arrays]
        if fixed:
            y = fixed_batch_normalization(*inputs, *map(device.send, statistics), slope)
        else:
            y = batch_normalization(*inputs, slope)
        results.append([y, *chainer.grad([y], inputs, [chainer.Variable(device.send(gy))])])
    for on_cpu, on_gpu in zip(*results, strict=True):
        on_gpu.to_cpu()
        chainer.testing.assert_allclose(on_gpu.array, on_cpu.array, rtol=1e-3, atol=1e-4)
