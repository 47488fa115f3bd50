"""Choosing between the CPU and a GPU, and how to compute there."""

import importlib.util
import os

from tgan_chainer.errors import InputError

import chainer
from chainer.backends import cuda


def default_gpu():
    """Return 0 where CuPy sees a GPU, else -1, which stands for the CPU."""
    return 0 if _count_gpus() else -1


def get_device(gpu=None, tf32=None, pytorch_kernels=None):
    """Make the device of a ``--gpu`` option the current one and return it.

    Args:
        gpu (int): Number of a GPU, or -1 for the CPU; by default :func:`default_gpu`.
        tf32 (bool): Whether a GPU may round the factors of products to the ten bits of TF32, which is faster;
            to be said before the process's first product. None leaves it as it is.
        pytorch_kernels (str): "auto", "on" or "off", see :mod:`tgan_chainer.functions.aten`. None leaves it
            as it is.

    Returns:
        ~chainer.backend.Device: To hand to ``to_device`` and the updater.

    Raises:
        InputError: There is no such GPU, or CuPy (or PyTorch, if it must be there) is not installed.
    """
    gpu = default_gpu() if gpu is None else gpu
    if gpu < -1:
        raise InputError(f"gpu must be -1 (the CPU) or the number of a GPU, not {gpu}")
    if gpu >= 0 and _count_gpus() == 0:
        raise InputError(
            f"gpu is {gpu}, but CuPy is not installed or finds no GPU here: "
            "pip install cupy-cuda12x, or use --gpu -1 for the CPU"
        )
    if gpu >= 0 and gpu >= _count_gpus():
        raise InputError(f"gpu is {gpu}, but the last GPU here is number {_count_gpus() - 1}")
    if pytorch_kernels == "on" and not importlib.util.find_spec("torch"):
        raise InputError("pytorch_kernels is on, but PyTorch is not installed: pip install torch")
    if pytorch_kernels is not None:
        chainer.global_config.pytorch_kernels = pytorch_kernels
    if tf32 is not None:
        chainer.global_config.tf32 = tf32
        os.environ["CUPY_TF32"] = str(int(tf32))  # CuPy reads it at its first product
    device = chainer.get_device("@numpy" if gpu < 0 else f"@cupy:{gpu}")
    device.use()
    return device


def _count_gpus():
    if not cuda.available:
        return 0
    try:
        return cuda.cupy.cuda.runtime.getDeviceCount()
    except cuda.cupy.cuda.runtime.CUDARuntimeError:  # the driver is there, a GPU is not
        return 0
