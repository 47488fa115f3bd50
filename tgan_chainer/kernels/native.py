"""What networks compute on a CPU, and RMSprop, by the library of :mod:`tgan_chainer.kernels.compiled`.

``native/filtering.hpp`` tells how it convolves. Functions take float32 arrays, which they read as
(C, *axes, N), and give the same bits for any number of threads.
"""

import ctypes
import functools
import math

import numpy as np

from tgan_chainer.kernels.compiled import Normalization, address, call, ready, threads_for
from tgan_chainer.kernels.compiled import computes as computes
from tgan_chainer.kernels.compiled import description as description
from tgan_chainer.kernels.layout import batch_first, batch_last


def convolve(x, W, grid, b=None):
    y = np.empty((len(W), *grid.small, len(x)), np.float32)
    _filter(0, grid, W.shape, batch_last(x), W, b, y)
    return batch_first(y)


def deconvolve(y, W, grid, b=None):
    x = np.empty((W.shape[1], *grid.large, len(y)), np.float32)
    _filter(1, grid, W.shape, batch_last(y), W, b, x)
    return batch_first(x)


def kernel_gradient(x, y, grid):
    gW = np.empty((y.shape[1], x.shape[1], *grid.whole_kernel), np.float32)
    _filter(2, grid, gW.shape, batch_last(x), batch_last(y), None, gW)
    return gW


def _filter(operation, grid, W_shape, first, second, b, to):
    if 0 in (first.size, second.size, to.size):
        to[...] = 0
        return
    first_tap = tuple(used.start for used in grid.used)
    axes = grid.large, grid.small, grid.kernel, grid.stride, grid.pad, grid.whole_kernel, first_tap
    n = to.shape[-1] if operation < 2 else first.shape[-1]
    geometry, work = _geometry(n, *W_shape[1::-1], *axes)
    call("filter", operation, geometry, first, second, b, to, threads_for(work))


@functools.lru_cache(1024)
def _geometry(n, n_large, n_small, large, small, kernel, stride, pad, whole_kernel, first_tap):
    def of_three_axes(values, of_missing):
        return (of_missing,) * (3 - len(values)) + values

    lengths = [of_three_axes(values, 1) for values in (large, small, kernel, stride)]
    rest = of_three_axes(pad, 0), of_three_axes(whole_kernel, 1), of_three_axes(first_tap, 0)
    geometry = (ctypes.c_long * 24)(n, n_large, n_small, *sum((*lengths, *rest), ()))
    # Eight multiplications take as long as a pass over one element.
    return geometry, n * n_large * n_small * math.prod((*small, *kernel)) // 8


def normalize(x, gamma, beta, mean, var, eps, slope, is_fixed, run=1):
    """Normalize x (C, ...) and apply leaky ReLU, see :mod:`tgan_chainer.functions.batch_normalization`.

    gamma and beta (or None) are arrays (C,), mean and var too, or (n, C) if x holds n batches that take turns
    in memory, ``run`` elements of each. Unless ``is_fixed``, mean and var are overwritten with the batches'.
    Returns an array like x.
    """
    y = np.empty_like(x)
    _normalize("normalize", (gamma, beta, mean, var, eps, slope, is_fixed, run), x, y)
    return y


def find_statistics(x, n_batches=1, run=1):
    """Return mean and variance, arrays (C,) or for several batches (n_batches, C), as :func:`normalize`."""
    shape = (len(x),) if n_batches == 1 else (n_batches, len(x))
    mean, var = np.empty(shape, np.float32), np.empty(shape, np.float32)
    _normalize("find_statistics", (None, None, mean, var, 0, 0, False, run), x)
    return mean, var


def normalize_backward(x, gy, gamma, beta, mean, var, eps, slope, is_fixed, run=1, needs_gx=True):
    """Return the gradients of x (None unless ``needs_gx``), gamma and beta from that of the output, gy.

    Those of gamma and beta have the shape of mean and var, to be added up over the batches.
    """
    gx, ggamma, gbeta = np.empty_like(x) if needs_gx else None, np.empty_like(mean), np.empty_like(mean)
    parameters = gamma, beta, mean, var, eps, slope, is_fixed, run
    _normalize("normalize_backward", parameters, x, gy, gx, ggamma, gbeta)
    return gx, ggamma, gbeta


def normalize_backward_of_part(x, gy, gamma, beta, mean, var, eps, slope, run, ggamma, gbeta, count):
    """Return the gradient of x, a part of batches of ``count`` elements a channel.

    The gradients of gamma and beta, the mean and the variance are those of the whole batches.
    """
    gx = np.empty_like(x)
    parameters = gamma, beta, mean, var, eps, slope, False, run
    _normalize("normalize_backward_of_part", parameters, x, gy, gx, ggamma, gbeta, count)
    return gx


def _normalize(name, parameters, x, *arguments):
    *arrays, eps, slope, is_fixed, run = parameters
    arrays = [a if a is None else ready(a) for a in arrays]
    mean = arrays[2]
    sizes = len(x), mean.size // len(x), x.size // mean.size, run
    addresses = (a if a is None else address(a) for a in arrays)
    normalization = Normalization(*sizes, *addresses, eps, slope, threads_for(x.size), is_fixed)
    call(name, normalization, x, *arguments)


def leaky_relu(x, other, slope):
    """Return ``other`` where x > 0, else ``slope * other``; all three arrays lie alike in memory."""
    y = np.empty_like(x)
    call("leaky_relu", x.size, x, other, y, slope, threads_for(x.size))
    return y


def tanh(x):
    y = np.empty_like(x)
    call("tanh", x.size, x, y, threads_for(x.size))
    return y


def tanh_backward(y, gy):
    """Return the gradient of the input from the output and its gradient, which lie alike in memory."""
    gx = np.empty_like(y)
    call("tanh_backward", y.size, y, gy, gx, threads_for(y.size))
    return gx


def pool(x, axis):
    """Return x, its ``axis`` halved, rounding up: the larger of each two neighbours."""
    before, length, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    y = np.empty((*before, -(-length // 2), *after), np.float32)
    call("pool", math.prod(before), length, math.prod(after), x, y, threads_for(x.size))
    return y


def update_by_rmsprop(values, squares, gradients, learning_rate, alpha, eps):
    """Update the lists of arrays ``values`` and ``squares``, the mean squares of the gradients, in place.

    All are float32, contiguous and aligned.
    """
    sizes = (ctypes.c_long * len(values))(*(array.size for array in values))
    pointers = [
        (ctypes.c_void_p * len(values))(*map(address, arrays)) for arrays in (values, squares, gradients)
    ]
    call("rmsprop", len(values), sizes, *pointers, learning_rate, alpha, eps, threads_for(sum(sizes)))
