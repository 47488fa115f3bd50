"""Which way to convolve is the fastest."""

from tgan_chainer.kernels import columns, native
from tgan_chainer.kernels.libraries import library


def choose(x):
    """Choose a way to convolve.

    Args:
        x: An array (or variable) of its input, or of its output if it is to be transposed.

    Returns:
        module: With the functions that :mod:`tgan_chainer.kernels` describes.
    """
    return library(x) or (native if native.computes(x) else columns)
