"""PyTorch's convolutions, lent to our function nodes, give the same numbers."""

import numpy as np
import pytest

from tgan_chainer.functions import aten
from tgan_chainer.functions.convolution_nd import convolution_nd, deconvolution_nd

import chainer
import chainer.functions as F
from chainer import backend
from chainer.backends import cuda

pytest.importorskip("torch")


def compute(xp, mode, n_axes, kernel, stride, pad):
    random_state = np.random.RandomState(0)
    shapes = (3, 5, *(9, 8, 7)[:n_axes]), (6, 5, *(kernel,) * n_axes), (6,)
    inputs = [chainer.Variable(xp.asarray(random_state.randn(*shape).astype("f"))) for shape in shapes]
    x, W, b = inputs
    with chainer.using_config("pytorch_kernels", mode), chainer.using_config("use_cudnn", "never"):
        y = convolution_nd(x, W, b, stride, pad)
        z = deconvolution_nd(y, W, None, stride, pad, x.shape[2:])
        gradients = chainer.grad([F.sum(y**2) + F.sum(z**2)], inputs)
    return [cuda.to_cpu(v.array) for v in (y, z, *gradients)]


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(4, 2, 1), (3, 1, 1), (1, 1, 0), (3, 2, 0)])
def test_outputs_and_gradients_are_ours(xp, n_axes, kernel, stride, pad):
    ours = compute(np, "off", n_axes, kernel, stride, pad)
    for a, b in zip(compute(xp, "on", n_axes, kernel, stride, pad), ours, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=(1e-5 if xp is np else 5e-3) * abs(b).max())


def test_on_a_cpu_only_when_asked():
    x = np.zeros(1, "f")
    assert not aten.lends(x)
    with chainer.using_config("pytorch_kernels", "on"):
        assert aten.lends(x)


@pytest.mark.parametrize("n_failures", [1, 2])
def test_memory_is_asked_for_once_more_and_then_missed(n_failures):
    torch, calls = pytest.importorskip("torch"), []

    def convolve(*arguments):
        calls.append(arguments)
        if len(calls) <= n_failures:
            raise torch.cuda.OutOfMemoryError("tried to allocate 80 GiB")
        return "convolved"

    if n_failures == 1:
        assert aten._call(convolve, 1, 2) == "convolved"
    else:
        with pytest.raises(MemoryError, match="80 GiB"):
            aten._call(convolve, 1, 2)
    assert calls == [(1, 2)] * 2


def test_arrays_that_pytorch_cannot_take_as_they_are():
    x, W = np.random.randn(2, 3, 8, 8).astype("f"), np.random.randn(4, 3, 4, 4).astype("f")
    W.flags.writeable = False
    with chainer.using_config("pytorch_kernels", "on"):
        found = convolution_nd(x[::-1], W, None, 2, 1).array
        assert not aten.lends(x.astype(">f4")) and not aten.lends(x.astype("g"))
    np.testing.assert_allclose(found, convolution_nd(x, W, None, 2, 1).array[::-1], rtol=0, atol=1e-5)


@pytest.mark.gpu
def test_on_a_gpu_unless_forbidden():
    x = cuda.cupy.zeros(1, "f")
    assert backend.get_array_module(x) is cuda.cupy and aten.lends(x)
    with chainer.using_config("pytorch_kernels", "off"):
        assert not aten.lends(x)
