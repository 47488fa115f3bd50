"""How arrays lie in memory under the logical shape (N, C, *axes) that functions and links see.

- On a CPU as (C, *axes, N): products of a matrix with the channels then need no transposes, and a sum over
  everything but the channels reads memory from end to end. NumPy's functions keep that order.
- On a GPU for whose convolutions a library computes as (N, C, *axes), which the libraries want.
- On another GPU as (C, *axes, N) out of our own functions. CuPy's other functions give results in the order
  of the logical shape, whatever their operands' was, and the next one of ours copies them once.

The order is a matter of speed alone: each function takes arrays in any.
"""

import ctypes
import functools

import numpy as np

from tgan_chainer.kernels.compiled import call, computes, threads_for
from tgan_chainer.kernels.libraries import library

from chainer import backend

# So many elements are worth a call of the compiled kernels, and rows of so many.
_MIN_COPY, _MIN_ROW = 1 << 14, 8


def is_batch_first(x):
    """Say whether arrays should lie in memory as (N, C, *axes) on the device of the array (or variable) x."""
    return backend.get_array_module(x) is not np and library(x) is not None


def batch_last(x):
    """Lay out x (N, C, *axes) as (C, *axes, N), without a copy if it lies in memory like that."""
    # A tenth of the time of moveaxis, of which an iteration has hundreds.
    y = x.transpose(*range(1, x.ndim), 0)
    if y.flags.c_contiguous or not isinstance(y, np.ndarray):
        return backend.get_array_module(x).ascontiguousarray(y)
    result = np.empty(y.shape, y.dtype)
    copy(y, result)
    return result


def joined(x, y):
    """Join x (N, C, *axes) and y (N', C, *axes) along the first axis, where functions need them."""
    xp = backend.get_array_module(x)
    if is_batch_first(x):
        return xp.concatenate([x, y])
    both = xp.empty((*x.shape[1:], len(x) + len(y)), x.dtype)
    for part, to in ((x, both[..., : len(x)]), (y, both[..., len(x) :])):
        copy(part.transpose(*range(1, part.ndim), 0), to)
    return batch_first(both)


def copy(x, to):
    """Copy x to ``to``, of its shape, elsewhere in memory: large ones in half of NumPy's time or less."""
    is_ours = computes(x) and x.size >= _MIN_COPY and to.dtype == x.dtype and to.flags.writeable
    if is_ours and (axes := _axes_to_copy(x.shape, x.strides, to.strides)):
        call("copy", axes, x.ctypes.data, to.ctypes.data, threads_for(x.size))
    else:
        to[...] = x


@functools.lru_cache(1024)
def _axes_to_copy(shape, from_steps, to_steps):
    """Return lengths and steps of both arrays along four axes, as elementwise.hpp wants them, or None."""
    axes = []  # (length, step, step), from the outermost of ``to`` on, those merged that lie alike in both
    for length, *steps in sorted(zip(shape, from_steps, to_steps), key=lambda axis: -axis[2]):
        if axes and axes[-1][1:] == [length * step for step in steps]:
            axes[-1] = [axes[-1][0] * length, *steps]
        elif length > 1:
            axes.append([length, *steps])
    rows = [axis for axis in axes if axis[1] == 4]
    others = [axis for axis in axes[:-1] if axis not in rows]
    if (
        len(axes) < 2
        or axes[-1][0] < _MIN_ROW
        or axes[-1][2] != 4
        or len(rows) != 1
        or axes[-1] in rows
        or len(others) > 2
    ):
        return None
    if any(step < 0 or step % 4 for axis in axes for step in axis[1:]):
        return None
    axes = [[1, 0, 0]] * (2 - len(others)) + others + rows + axes[-1:]
    numbers = [[axis[0] for axis in axes], *([axis[i] // 4 for axis in axes] for i in (1, 2))]
    return (ctypes.c_long * 12)(*sum(numbers, []))


def batch_first(y):
    """View y (C, *axes, N) as (N, C, *axes)."""
    return y.transpose(-1, *range(y.ndim - 1))


def standard_normal(x, n=None):
    """Draw an array of shape, dtype and memory order of x (N, C, *axes), or n such rows, from N(0, 1)."""
    draw, n = backend.get_array_module(x).random.standard_normal, len(x) if n is None else n
    if is_batch_first(x):
        return draw((n, *x.shape[1:])).astype(x.dtype)
    return batch_first(draw((*x.shape[1:], n)).astype(x.dtype))
