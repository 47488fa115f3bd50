"""Which way to convolve is the fastest."""

import math

from tgan_chainer.kernels import columns, columns_gpu, gpu, native, winograd_three_taps, winograd_two_taps
from tgan_chainer.kernels.libraries import library

# From so many channels on both sides Winograd's additions pay.
_MIN_CHANNELS = 32


def choose(grid, x, W_shape):
    """Choose a way to convolve.

    Args:
        grid (Grid): The convolution's geometry.
        x: Its input, or its output if it is to be transposed, or any other array with the batch as the first
            axis on the same device and of the same dtype.
        W_shape (tuple of ints): Shape of the weight, (C', C, k_1, ..., k_n).

    Returns:
        module: With the functions that :mod:`tgan_chainer.kernels` describes.
    """
    if (found := library(x)) is not None:
        return found
    if native.computes(x):
        return native
    if gpu.computes(x):
        return columns_gpu
    if min(W_shape[:2]) < _MIN_CHANNELS:
        return columns
    # Winograd's larger kernel pays from so many columns on. (Measured on the layers of Table 1, Fig. 1 and
    # C3D at the paper's and narrower widths.)
    n_columns = math.prod(grid.small) * len(x)
    if (
        all(t == 2 for t in grid.taps)
        and all(o % 2 == 0 for o in grid.small)
        and n_columns >= 256 << len(grid.small)
    ):
        return winograd_two_taps
    if (
        all(k == 3 and s == 1 for k, s in zip(grid.kernel, grid.stride))
        and n_columns >= 512
        and columns.is_large(x, W_shape, grid)
    ):
        return winograd_three_taps
    return columns
