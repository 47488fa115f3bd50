"""Convolutions as products of a matrix with columns, of any kernel and stride, for NumPy.

Chainer spends most of its time in im2col, col2im and transposes, the more so the fewer channels there are.
Here

- arrays lie in memory as (C, *axes, N), so that the products need no transposes;
- axes are split into phases (see :class:`~tgan_chainer.kernels.grid.Grid`), within which the windows of
  neighbouring outputs are shifted by one, so that columns are gathered in long contiguous runs: 0.12 ns an
  element instead of 0.4 to 0.8;
- columns are gathered block by block and multiplied while they are in the cache, which gathering into main
  memory, at 0.7 ns an element, would defeat.
"""

import itertools
import math

import numpy as np

from tgan_chainer.kernels.bias import add_bias
from tgan_chainer.kernels.grid import Grid
from tgan_chainer.kernels.layout import batch_first, batch_last
from tgan_chainer.parallel import chunks, for_each, scratch

# A matrix product of at most this many multiplications is done by OpenBLAS without packing its operands, for
# small matrices 2 to 4 times as fast: 8×64 by 64×1024 at 100 GFLOP/s, by 64×2048 at 28. Measured on one core.
_SMALL_PRODUCT = 10**6
# Large matrices need this many columns for full speed.
_MIN_COLUMNS = 512
# Products of fewer operations than these are done on one thread.
_LARGE = 1 << 29
# Elements of the columns that are gathered at a time: 256 kB in float32, so that they stay in the cache. For
# several threads 1 MB, so that they do not wait for Python's lock.
_BLOCK = 1 << 16
_LARGE_BLOCK = 1 << 18


def _is_large(x, W_shape, grid):
    """Say whether several threads pay for an array x with the batch axis first."""
    n_products = math.prod(W_shape) * math.prod(grid.small) * len(x)
    return 2 * n_products >= _LARGE


def convolve(x, W, grid, b=None):
    in_threads = _is_large(x, W.shape, grid)
    W = _matrix(_full_kernel(W, grid))
    windows = _windows(x, grid, in_threads)
    y = np.empty((len(W), *grid.small, len(x)), x.dtype)

    def run(task):
        block, axis = task
        columns = _columns(_products(windows, block, axis))
        target = _products(y, block, axis)
        target[...] = np.matmul(W, columns.reshape(len(columns), W.shape[1], -1)).reshape(target.shape)

    for_each(run, _blocks(x, grid, *W.shape[::-1], in_threads), in_threads)
    return add_bias(batch_first(y), b)


def kernel_gradient(x, y, grid):
    W_shape = (y.shape[1], x.shape[1], *grid.kernel)
    gW = np.empty(W_shape, x.dtype)
    in_threads = _is_large(x, W_shape, grid)
    windows, y = _windows(x, grid, in_threads), batch_last(y)

    def run(channels):
        part = windows[channels]
        rows = math.prod(part.shape[: -1 - len(grid.small)])
        sums = 0
        for block, axis in _blocks(x, grid, rows, len(y), in_threads):
            columns = _columns(_products(part, block, axis))
            columns = columns.reshape(len(columns), rows, -1)
            y_block = _products(y, block, axis).reshape(len(columns), len(y), -1)
            # This way round the product takes OpenBLAS up to half the time of y @ columns.T.
            sums += np.matmul(columns, y_block.swapaxes(1, 2)).sum(axis=0)
        kernel = (t * s for t, s in zip(grid.taps, grid.stride))
        sums = sums.T.reshape(len(y), -1, *kernel)
        gW[:, channels] = sums[(..., *map(slice, grid.kernel))]

    for_each(run, _channels(in_threads, x.shape[1], math.prod(grid.kernel)), in_threads)
    return grid.whole_gradient(gW)


def deconvolve(y, W, grid, b=None):
    in_threads = _is_large(y, W.shape, grid)
    W = _full_kernel(W, grid)
    # Gathering computes all grid.lengths outputs of each phase, of which only grid.small count; scattering
    # adds up taps times as many elements as there are outputs. Limits measured on the layers of Table 1 at
    # full, a quarter and an eighth of their width.
    n_in, n_taps = len(W), math.prod(grid.taps)
    waste = math.prod(grid.lengths) / math.prod(grid.small) - 1
    is_gathered = waste * n_in < 16 and n_in * n_taps <= 2 * W[0].size
    phases = (_gather_phases if is_gathered else _scatter_phases)(y, W, grid)
    x = np.zeros((W.shape[1], *grid.large, len(y)), y.dtype)

    def run(channels):
        for phase, inner, outer in grid.phases():
            x[(channels, *outer)] = phases[(channels, *phase, *inner)]

    for_each(run, _channels(in_threads, len(x)), in_threads)
    return add_bias(batch_first(x), b)


def _gather_phases(y, W, grid):
    """Compute the phases as the C' s^d channels of one convolution of stride 1."""
    W = W.reshape(*W.shape[:2], *_interleave(grid.taps, grid.stride))
    W = W.transpose(1, *range(3, W.ndim, 2), 0, *range(2, W.ndim, 2))
    W = W[(..., *(slice(None, None, -1) for _ in grid.taps))].reshape(-1, y.shape[1], *grid.taps)
    full_pad = tuple(t - 1 for t in grid.taps)
    unit_grid = Grid(grid.taps, (1,) * len(grid.taps), full_pad, grid.small, grid.lengths)
    phases = batch_last(convolve(y, W, unit_grid))
    return phases.reshape(-1, *grid.stride, *grid.lengths, len(y))


def _scatter_phases(y, W, grid):
    """Add up the phases from the products of y with every element of the kernel."""
    in_threads = _is_large(y, W.shape, grid)
    y_rows = batch_last(y)
    phases = np.zeros((W.shape[1], *grid.stride, *grid.lengths, len(y)), y.dtype)
    kernel = _interleave(grid.taps, grid.stride)

    def run(channels):
        rows = _matrix(W[:, channels]).T
        for block, axis in _blocks(y, grid, *rows.shape, in_threads):
            y_block = _products(y_rows, block, axis)
            columns = np.matmul(rows, y_block.reshape(*y_block.shape[:2], -1))
            columns = columns.reshape(len(columns), -1, *kernel, *y_block.shape[2:])
            for tap in np.ndindex(*grid.taps):
                shifted = tuple(slice(i.start + t, i.stop + t) for i, t in zip(block, tap))
                of_tap = _interleave(tap, (slice(None),) * len(tap))
                of_phases = _products(phases[channels], shifted, axis)
                of_phases += columns[(slice(None), slice(None), *of_tap)]

    for_each(run, _channels(in_threads, len(phases), math.prod(kernel)), in_threads)
    return phases


def _channels(in_threads, n, rows=1):
    """Cut n channels into parts for threads, of at least 64 rows, where each channel has ``rows``."""
    return chunks(n, max(64 // rows, -(-n // 4))) if in_threads else [slice(None)]


def _windows(x, grid, in_threads):
    """View the phases of x as (C, taps_1, stride_1, ..., taps_n, stride_n, small_1, ..., small_n, N)."""
    phases = np.zeros((x.shape[1], *grid.stride, *grid.lengths, len(x)), x.dtype)
    x = np.moveaxis(x, 0, -1)

    def run(channels):
        for phase, inner, outer in grid.phases():
            phases[(channels, *phase, *inner)] = x[(channels, *outer)]

    for_each(run, _channels(in_threads, len(x)), in_threads)
    n_axes = len(grid.small)
    of_channel, *strides, of_n = phases.strides
    of_phase, of_length = strides[:n_axes], strides[n_axes:]
    return np.lib.stride_tricks.as_strided(
        phases,
        (x.shape[0], *_interleave(grid.taps, grid.stride), *grid.small, x.shape[-1]),
        (of_channel, *_interleave(of_length, of_phase), *of_length, of_n),
    )


def _products(array, block, axis):
    """View a block of an array (..., *small, N) with ``axis``, or a new one, as the first."""
    part = array[(..., *block, slice(None))]
    return part[None] if axis is None else np.moveaxis(part, axis - len(block) - 1, 0)


def _columns(windows):
    """Copy a view into contiguous memory."""
    columns = scratch("columns", windows.shape, windows.dtype)
    np.copyto(columns, windows)
    return columns


def _interleave(a, b):
    return tuple(i for pair in zip(a, b) for i in pair)


def _matrix(W):
    return W.reshape(len(W), -1)


def _blocks(x, grid, rows, other_side, in_threads):
    """Cut the small axes into blocks, whose columns are multiplied by a matrix (rows, other_side).

    Yields (index of the block, axis): the products are those of the positions along this axis, or, if it
    is None, one. The columns of a product are contiguous in memory.
    """
    n = len(x)
    block_size = _LARGE_BLOCK if in_threads else _BLOCK
    columns = max(_SMALL_PRODUCT // (rows * other_side), _MIN_COLUMNS)
    positions = max(columns // max(n, 1), 1)
    steps, axis = list(grid.small), None
    for i in reversed(range(len(steps))):
        steps[i] = max(min(positions, steps[i]), 1)
        positions //= steps[i]
        if positions <= 1 and i > 0:
            n_products = block_size // (rows * math.prod(steps[i:]) * n)
            steps[i - 1] = max(min(n_products, steps[i - 1]), 1)
            steps[: i - 1] = [1] * (i - 1)
            axis = i - 1
            break
    for block in itertools.product(*map(chunks, grid.small, steps)):
        yield block, axis


def _full_kernel(W, grid):
    """Leave out the unused taps, and append zeros up to a whole number of strides."""
    missing = [(0, t * s - k) for t, s, k in zip(grid.taps, grid.stride, grid.kernel)]
    W = grid.used_kernel(W)
    if not np.any(missing):
        return W
    return np.pad(W, [(0, 0), (0, 0), *missing], "constant")
