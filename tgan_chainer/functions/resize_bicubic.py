"""Bicubic interpolation as OpenCV's INTER_CUBIC does it: a step of the published inception scores."""

import functools

import numpy as np

from tgan_chainer.checks import check_positive_int

from chainer import backend


def resize_bicubic(frames, size, window=None):
    """Resize frames by cubic convolution with a = -0.75, without antialiasing; edge pixels are repeated.

    Two matrix products, on whichever device the frames are. Values are neither rounded nor clipped, as
    OpenCV does with floats.

    Args:
        frames: float (..., H, W), of NumPy or CuPy.
        size (int or tuple of ints): H', W'; one number for both.
        window (tuple of slices): The part of the H'×W' pixels to compute; None for all.

    Returns:
        array: (..., H', W'), or the window's part of it, in the dtype of ``frames``.
    """
    size = (size, size) if isinstance(size, int) else size
    check_positive_int(**{f"size[{i}]": length for i, length in enumerate(size)})
    xp = backend.get_array_module(frames)
    rows, columns = (
        xp.asarray(bicubic_matrix(n_in, n_out)[part], frames.dtype)
        for n_in, n_out, part in zip(frames.shape[-2:], size, window or (slice(None), slice(None)))
    )
    return xp.matmul(xp.matmul(rows, frames), columns.T)


@functools.cache
def bicubic_matrix(n_in, n_out):
    """Return the float64 matrix (n_out, n_in) that resizes an axis of n_in pixels to n_out.

    Pixel i of the result lies at (i + 1/2) n_in / n_out - 1/2 and is a sum over the four pixels around it,
    with the weights of Keys, "Cubic convolution interpolation for digital image processing", 1981.
    """
    place = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    first = np.floor(place).astype(int) - 1
    matrix = np.zeros((n_out, n_in))
    for tap in range(4):
        pixel = np.clip(first + tap, 0, n_in - 1)
        np.add.at(matrix, (np.arange(n_out), pixel), _cubic(place - (first + tap)))
    return matrix


def _cubic(x, a=-0.75):
    x = abs(x)
    near = ((a + 2) * x - (a + 3)) * x**2 + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))
