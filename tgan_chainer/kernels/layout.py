"""How arrays lie in memory under the logical shape (N, C, *axes) that functions and links see.

- On a CPU as (C, *axes, N): products of a matrix with the channels then need no transposes, and a sum over
  everything but the channels reads memory from end to end. NumPy's functions keep that order.
- On a GPU for whose convolutions a library computes as (N, C, *axes), which the libraries want.
- On another GPU as (C, *axes, N) out of our own functions. CuPy's other functions give results in the order
  of the logical shape, whatever their operands' was, and the next one of ours copies them once.

The order is a matter of speed alone: each function takes arrays in any.
"""

import numpy as np

from tgan_chainer.kernels.libraries import library

from chainer import backend


def is_batch_first(x):
    """Say whether arrays should lie in memory as (N, C, *axes) on the device of the array (or variable) x."""
    return backend.get_array_module(x) is not np and library(x) is not None


def batch_last(x):
    """Lay out x (N, C, *axes) as (C, *axes, N), without a copy if it lies in memory like that."""
    # A tenth of the time of moveaxis, of which an iteration has hundreds.
    return backend.get_array_module(x).ascontiguousarray(x.transpose(*range(1, x.ndim), 0))


def joined(x, y):
    """Join x (N, C, *axes) and y (N', C, *axes) along the first axis, where functions need them."""
    xp = backend.get_array_module(x)
    if is_batch_first(x):
        return xp.concatenate([x, y])
    both = xp.empty((*x.shape[1:], len(x) + len(y)), x.dtype)
    both[..., : len(x)], both[..., len(x) :] = (a.transpose(*range(1, a.ndim), 0) for a in (x, y))
    return batch_first(both)


def batch_first(y):
    """View y (C, *axes, N) as (N, C, *axes)."""
    return y.transpose(-1, *range(y.ndim - 1))


def standard_normal(x, n=None):
    """Draw an array of shape, dtype and memory order of x (N, C, *axes), or n such rows, from N(0, 1)."""
    draw, n = backend.get_array_module(x).random.standard_normal, len(x) if n is None else n
    if is_batch_first(x):
        return draw((n, *x.shape[1:])).astype(x.dtype)
    return batch_first(draw((*x.shape[1:], n)).astype(x.dtype))
