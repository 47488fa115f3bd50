"""Choosing between the CPU and a GPU, and how to compute there."""

import importlib.util
import os

from tgan_chainer.errors import InputError

import chainer
from chainer.backends import cuda


def default_gpu():
    """Return 0 where CuPy sees a GPU, else -1, which stands for the CPU."""
    return 0 if _count_gpus() else -1


def get_device(gpu=None):
    """Return the device of a ``--gpu`` option, without changing anything.

    Args:
        gpu (int): Number of a GPU, or -1 for the CPU; by default :func:`default_gpu`.

    Returns:
        ~chainer.backend.Device: To hand to ``to_device`` and the updater.

    Raises:
        InputError: There is no such GPU, or CuPy is not installed.
    """
    gpu = default_gpu() if gpu is None else gpu
    if gpu < -1:
        raise InputError(f"gpu must be -1 (the CPU) or the number of a GPU, not {gpu}")
    if gpu >= 0 and _count_gpus() == 0:
        raise InputError(
            f"gpu is {gpu}, but {why_no_cupy() or 'CuPy is not installed or finds no GPU here'}: "
            "pip install 'cupy-cuda12x[ctk]', with a driver for CUDA 13 'cupy-cuda13x[ctk]', or use "
            "--gpu -1 for the CPU"
        )
    if gpu >= 0 and gpu >= _count_gpus():
        raise InputError(f"gpu is {gpu}, but the last GPU here is number {_count_gpus() - 1}")
    return chainer.get_device("@numpy" if gpu < 0 else f"@cupy:{gpu}")


def use_device(gpu=None, tf32=None, pytorch_kernels=None, deterministic=None):
    """Make the device of a ``--gpu`` option this thread's current one, and say how to compute there.

    A command calls it once, before its first product. The choices hold for the whole process.

    Args:
        gpu (int): As for :func:`get_device`.
        tf32 (bool): Whether a GPU may round the factors of products to the ten bits of TF32, which is faster.
            None leaves it as it is; nothing said at all is False.
        pytorch_kernels (str): "auto", "on" or "off", see :mod:`tgan_chainer.kernels.aten`. None leaves it as
            it is; nothing said at all is "auto".
        deterministic (bool): Whether a library's convolutions on a GPU are to give the same bits each time.
            None leaves it as it is; nothing said at all is False.

    Returns:
        ~chainer.backend.Device: As from :func:`get_device`.

    Raises:
        InputError: See :func:`get_device`; or PyTorch must be there and is not.
    """
    device = get_device(gpu)
    if pytorch_kernels == "on" and not importlib.util.find_spec("torch"):
        raise InputError("pytorch_kernels is on, but PyTorch is not installed: pip install torch")
    if pytorch_kernels is not None:
        chainer.global_config.pytorch_kernels = pytorch_kernels
    if deterministic is not None:
        chainer.global_config.cudnn_deterministic = deterministic
    if tf32 is not None:
        chainer.global_config.tf32 = tf32
        os.environ["CUPY_TF32"] = str(int(tf32))  # CuPy reads it at its first product
        if not tf32:
            # CuPy has no option for its cuDNN, which rounds by default; NVIDIA's libraries read this when
            # they are first used.
            os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
    device.use()
    return device


def why_no_cupy():
    """Return why CuPy, which is installed, cannot be imported; None if it can, or is not installed."""
    if cuda.available or importlib.util.find_spec("cupy") is None:
        return None
    error = cuda._resolution_error
    return " ".join(f"CuPy is installed but cannot be used: {type(error).__name__}: {error}".split())[:400]


def _count_gpus():
    if not cuda.available:
        return 0
    try:
        return cuda.cupy.cuda.runtime.getDeviceCount()
    except cuda.cupy.cuda.runtime.CUDARuntimeError:  # the driver is there, a GPU is not
        return 0
