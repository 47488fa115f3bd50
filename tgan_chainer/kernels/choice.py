"""Which way to convolve is taken."""

from tgan_chainer.kernels import columns, columns_gpu, gpu, native
from tgan_chainer.kernels.libraries import library


def choose(x):
    """Choose the fastest way to convolve.

    Args:
        x: An array on the same device and of the same dtype as those to convolve.

    Returns:
        module: With the functions that :mod:`tgan_chainer.kernels` describes.
    """
    if (found := library(x)) is not None:
        return found
    if native.computes(x):
        return native
    if gpu.computes(x):
        return columns_gpu
    return columns
