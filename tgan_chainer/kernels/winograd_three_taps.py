"""Convolutions of kernel 3 and stride 1 by Winograd's minimal filtering: 64 products where there are 216.

Two outputs of a filter of three taps take four products instead of six (Lavin and Gray 2016, F(2, 3)):

    m0 = (x0 - x2) w0,   m1 = (x1 + x2) (w0 + w1 + w2) / 2,   m2 = (x2 - x1) (w0 - w1 + w2) / 2,
    m3 = (x3 - x1) w2;   y0 = m0 + m1 + m2,   y1 = m1 - m2 + m3.

It nests over the axes and has adjoints as :mod:`~tgan_chainer.kernels.winograd_two_taps` says. Over three
axes rounding errors are about one and a half times those of the direct sum.

Arrays lie in memory as (C, *axes, N). The outputs are cut into tiles of two along each axis, which take the
four elements of the input from the first's window on. Of an odd length, the last tile is only half used.
"""

import functools
import itertools
import math

import numpy as np

from tgan_chainer.kernels.bias import add_bias
from tgan_chainer.kernels.layout import batch_first, batch_last
from tgan_chainer.parallel import chunks, for_each, scratch, slice_length

# What a thread works on at a time: so many elements of the batch, columns of the matrix products, and
# channels of the input for the kernel's gradient. (On C3D's layers half or twice as many columns are as
# fast; so are more elements of the batch, which take more memory.)
_BATCH = 16
_COLUMNS = 1024
_ROWS = 64

# The kernel's transform along one axis.
_KERNEL = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])


def convolve(x, W, grid, b=None):
    return add_bias(batch_first(_ThreeTaps.of(grid).convolve(batch_last(x), grid.used_kernel(W))), b)


def deconvolve(y, W, grid, b=None):
    return add_bias(batch_first(_ThreeTaps.of(grid).deconvolve(batch_last(y), grid.used_kernel(W))), b)


def kernel_gradient(x, y, grid):
    return grid.whole_gradient(_ThreeTaps.of(grid).kernel_gradient(batch_last(x), batch_last(y)))


class _ThreeTaps:
    """The algorithm for one padding and one pair of lengths of the axes."""

    @classmethod
    def of(cls, grid):
        return cls(grid.pad, grid.large, grid.small)

    def __init__(self, pad, large, small):
        self.pad, self.large, self.small = pad, large, small
        self.n_axes = len(pad)
        self.n_tiles = tuple(-(-length // 2) for length in small)
        # Blocks are cut along the last axis but one, so that the runs in memory stay long.
        self.cut_axis = max(self.n_axes - 2, 0)

    def convolve(self, x, W):
        """x (C, *large, N), W (C', C, 3, ..., 3) → (C', *small, N)."""
        return self._convolve(x, _transform_kernel(W, _kernel_matrix(self.n_axes, W.dtype)))

    def deconvolve(self, y, W):
        """y (C', *small, N), W (C', C, 3, ..., 3) → (C, *large, N)."""
        # The convolution with the kernel turned round, and its two sides exchanged.
        U = _transform_kernel(W, _kernel_matrix(self.n_axes, W.dtype)[:, ::-1]).swapaxes(-1, -2)
        turned = _ThreeTaps(tuple(2 - p for p in self.pad), self.small, self.large)
        return turned._convolve(y, U)

    def kernel_gradient(self, x, y):
        """x (C, *large, N), y, the gradient of the output, (C', *small, N) → (C', C, 3, ..., 3)."""
        matrix = _kernel_matrix(self.n_axes, x.dtype)
        gW = np.empty((len(y), len(x), matrix.shape[1]), x.dtype)

        def run(channels):
            gU = np.zeros((*(4,) * self.n_axes, slice_length(channels), len(y)), x.dtype)
            for batch, tiles in self._blocks(x.shape[-1]):
                elements = self._load_elements(x[channels][..., batch], tiles)
                _kernel_gradient(elements, self._load_tiles(y[..., batch], tiles), gU, self.n_axes)
            gW_rows = np.matmul(gU.reshape(len(matrix), -1).T, matrix)
            gW[:, channels] = gW_rows.reshape(-1, *gW.shape[::2]).swapaxes(0, 1)

        for_each(run, chunks(len(x), min(_ROWS, -(-len(x) // 2))))
        return gW.reshape(*gW.shape[:2], *(3,) * self.n_axes)

    def _convolve(self, x, U):
        y = np.empty((U.shape[-2], *self.small, x.shape[-1]), x.dtype)

        def run(task):
            batch, tiles = task
            y_tiles = self._tiles(y[..., batch], tiles)
            _convolve(self._load_elements(x[..., batch], tiles), U, y_tiles, self.n_axes)
            for of_tiles, of_y in self._halves(y_tiles, y[..., batch], tiles):
                of_y[...] = of_tiles

        for_each(run, self._blocks(x.shape[-1]))
        return y

    def _blocks(self, n):
        """Return (slice of the batch, tuple of slices of the tiles) for each block, at least two."""
        rows = self.n_tiles[self.cut_axis]
        columns = math.prod(self.n_tiles) // rows * min(n, _BATCH)
        blocks = []
        for chunk in chunks(rows, min(max(1, _COLUMNS // columns), -(-rows // 2))):
            blocks.append([slice(0, length) for length in self.n_tiles])
            blocks[-1][self.cut_axis] = chunk
        return list(itertools.product(chunks(n, _BATCH), blocks))

    def _load_elements(self, x, tiles):
        """Return the four elements of each tile along the last axis, arrays (C, 2 t_1 + 2, ..., t_n, N)."""
        lengths = [*(2 * slice_length(t) + 2 for t in tiles[:-1]), slice_length(tiles[-1]) + 1]
        steps = [*(1 for _ in tiles[:-1]), 2]
        halves = scratch("halves", (2, len(x), *lengths, x.shape[-1]), x.dtype)
        halves.fill(0)
        for h, half in enumerate(halves):
            starts = [2 * t.start - p for t, p in zip(tiles, self.pad)]
            starts[-1] += h
            inside, outside = zip(*map(_overlap, starts, steps, lengths, self.large))
            _runs(half)[(slice(None), *inside)] = _runs(x)[(slice(None), *outside)]
        evens, odds = halves
        return evens[..., :-1, :], odds[..., :-1, :], evens[..., 1:, :], odds[..., 1:, :]

    def _load_tiles(self, y, tiles):
        """Return (2, ..., 2, C', t_1, ..., t_n, N), the last axis first."""
        y_tiles = self._tiles(y, tiles)
        y_tiles.fill(0)
        for of_tiles, of_y in self._halves(y_tiles, y, tiles):
            of_tiles[...] = of_y
        return y_tiles

    def _tiles(self, y, tiles):
        shape = (*(2,) * self.n_axes, len(y), *map(slice_length, tiles), y.shape[-1])
        return scratch("tiles", shape, y.dtype)

    def _halves(self, y_tiles, y, tiles):
        """Yield views of the same elements of tiles and of y (C', *small, N)."""
        for half in np.ndindex(*(2,) * self.n_axes):
            starts = (2 * t.start + h for t, h in zip(tiles, half))
            steps = (2,) * self.n_axes
            inside, outside = zip(*map(_overlap, starts, steps, map(slice_length, tiles), self.small))
            yield _runs(y_tiles[half[::-1]])[(slice(None), *inside)], _runs(y)[(slice(None), *outside)]


def _convolve(x, U, y, n_axes):
    """Filter along the first n axes.

    Args:
        x: The four elements of each tile along the n-th axis, arrays (C, 2 t_1 + 2, ..., t_n, ..., N).
        U: Transformed kernel (4, ..., 4, C', C), the n-th axis first.
        y: Outputs (2, ..., 2, C', t_1, ..., t_n, ..., N), the n-th axis first; overwritten.
    """
    middle = scratch(("middle", n_axes), y[0].shape, y.dtype)
    for m, factor in _factors(x, n_axes):
        target = (y[0], middle, middle, y[1])[m]
        if n_axes == 1:
            np.matmul(U[m], factor.reshape(len(factor), -1), out=target.reshape(len(target), -1))
        else:
            _convolve(_elements(factor, n_axes - 1), U[m], target, n_axes - 1)
        if target is middle:
            y[0] += middle
            (np.add if m == 1 else np.subtract)(y[1], middle, out=y[1])


def _kernel_gradient(x, y, gU, n_axes):
    """Add to gU (4, ..., 4, C, C') what x and y, as for :func:`_convolve`, contribute."""
    middle = scratch(("middle", n_axes), y[0].shape, y.dtype)
    for m, factor in _factors(x, n_axes):
        if m in (1, 2):
            (np.add if m == 1 else np.subtract)(y[0], y[1], out=middle)
        gradient = (y[0], middle, middle, y[1])[m]
        if n_axes == 1:
            product = scratch("product", gU[m].shape, gU.dtype)
            gradient = gradient.reshape(len(gradient), -1)
            gU[m] += np.matmul(factor.reshape(len(factor), -1), gradient.T, out=product)
        else:
            _kernel_gradient(_elements(factor, n_axes - 1), gradient, gU[m], n_axes - 1)


def _factors(x, n_axes):
    """Yield (m, the input's factor in the m-th product), 0 and 3 first; each overwrites the one before."""
    factor = scratch(("factor", n_axes), x[0].shape, x[0].dtype)
    for m, operation, i, j in (
        (0, np.subtract, 0, 2),
        (3, np.subtract, 3, 1),
        (1, np.add, 1, 2),
        (2, np.subtract, 2, 1),
    ):
        yield m, operation(x[i], x[j], out=factor)


def _elements(x, axis):
    """View the four elements of each tile along an axis of 2t + 2 elements."""
    before = (slice(None),) * axis
    return [x[(*before, slice(i, x.shape[axis] - 2 + i, 2))] for i in range(4)]


def _transform_kernel(W, matrix):
    """W (C', C, 3, ..., 3) → (4, ..., 4, C', C), the last axis first."""
    n_axes, n_in = W.ndim - 2, W.shape[1]
    W = W.reshape(*W.shape[:2], -1)
    U = np.empty((len(matrix), len(W) * n_in), W.dtype)

    def run(rows):
        W_rows = W[rows].reshape(-1, W.shape[2])
        np.matmul(matrix, W_rows.T, out=U[:, rows.start * n_in : rows.stop * n_in])

    for_each(run, chunks(len(W), -(-len(W) // 4)))
    return U.reshape(*(4,) * n_axes, len(W), n_in)


@functools.cache
def _kernel_matrix(n_axes, dtype):
    """Return (4^n, 3^n), of the rows' axes the last one first."""
    matrix = functools.reduce(np.kron, [_KERNEL] * n_axes).reshape(*(4,) * n_axes, -1)
    matrix = matrix.transpose(*reversed(range(n_axes)), n_axes)
    return np.ascontiguousarray(matrix.reshape(4**n_axes, -1), dtype)


def _overlap(start, step, n, length):
    """Of the places start + step i, i < n, find those in range(length): return slices of i and of places."""
    first = max(0, -(start // step))
    stop = max(first, min(n, (length - 1 - start) // step + 1))
    return slice(first, stop), slice(start + step * first, max(start + step * stop, 0), step)


def _runs(array):
    """View the batch as one element: NumPy copies it six times as fast, if it is of 4 float32."""
    return array.view(f"V{array.shape[-1] * array.itemsize}")[..., 0]
