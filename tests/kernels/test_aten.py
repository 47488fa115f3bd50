"""PyTorch's convolutions, lent to our function nodes, give the same numbers."""

import numpy as np
import pytest

from tgan_chainer.functions import convolution_nd, deconvolution_nd
from tgan_chainer.kernels import aten

import chainer
import chainer.functions as F
from chainer import backend
from chainer.backends import cuda

torch = pytest.importorskip("torch")


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
    assert not aten.computes(x)
    with chainer.using_config("pytorch_kernels", "on"):
        assert aten.computes(x)


@pytest.mark.parametrize("n_failures", [1, 2])
def test_memory_is_asked_for_once_more_and_then_missed(n_failures):
    calls = []

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


def test_flags_of_pytorch_are_its_own_after_a_call(monkeypatch):
    for of_others in True, False:
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", of_others)
        for tf32 in True, False:
            with chainer.using_config("tf32", tf32):
                assert aten._call(lambda: torch.backends.cudnn.allow_tf32) == tf32
                with pytest.raises(ZeroDivisionError):
                    aten._call(lambda: 1 / 0)
            assert torch.backends.cudnn.allow_tf32 == of_others
    assert aten._call(lambda: torch.backends.cudnn.allow_tf32) is False  # where nothing was said
    flags = torch.backends.cudnn
    for deterministic in True, False:
        with chainer.using_config("cudnn_deterministic", deterministic):
            assert aten._call(lambda: flags.deterministic) is not aten._call(lambda: flags.benchmark)
    assert not flags.deterministic and not flags.benchmark


def test_arrays_that_pytorch_cannot_take_as_they_are(xp):
    x, W = xp.random.randn(2, 3, 8, 8).astype("f"), xp.random.randn(4, 3, 4, 4).astype("f")
    if xp is np:
        W.flags.writeable = False
    with chainer.using_config("pytorch_kernels", "on"):
        found = convolution_nd(x[::-1], W, None, 2, 1).array
        assert not aten.computes(np.zeros(1, ">f4")) and not aten.computes(np.zeros(1, "g"))
    expected = convolution_nd(cuda.to_cpu(x), cuda.to_cpu(W), None, 2, 1).array[::-1]
    np.testing.assert_allclose(cuda.to_cpu(found), expected, rtol=0, atol=1e-5 if xp is np else 5e-3)


@pytest.mark.gpu
def test_on_a_gpu_unless_forbidden():
    x = cuda.cupy.zeros(1, "f")
    assert backend.get_array_module(x) is cuda.cupy
    assert aten.computes(x) == torch.cuda.is_available()  # a CPU build of PyTorch sees no GPU
    with chainer.using_config("pytorch_kernels", "off"):
        assert not aten.computes(x)
