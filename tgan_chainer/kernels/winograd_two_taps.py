"""Convolutions of few taps by Winograd's minimal filtering: 27 products where there are 64.

Two outputs of a filter of two taps, y0 = x0 w0 + x1 w1 and y1 = x1 w0 + x2 w1, take three products
instead of four (Winograd 1980; Lavin and Gray 2016, F(2, 2)):

    m0 = (x0 - x1) w0,   m1 = x1 (w0 + w1),   m2 = (x2 - x1) w1;   y0 = m0 + m1,   y1 = m1 + m2.

Nested over the axes, and with a matrix product over the channels in place of each scalar one, that is
3/4, 9/16 or 27/64 of the multiplications of a convolution over one, two or three axes. A kernel of 3 or 4
with stride 2, as in all of the paper's networks, has two taps for each phase of its input (see
:class:`~tgan_chainer.kernels.grid.Grid`); the phases are further channels. (Kernels of 3 with stride 1 go by
:mod:`~tgan_chainer.kernels.winograd_three_taps`.) As all coefficients are ±1, rounding errors grow little:
over three axes to about four times those of the direct sum.

The sum is trilinear in input, kernel and gradient of the output, so that the same three transforms and their
adjoints give the convolution, its adjoint (the deconvolution) and the kernel's gradient.

Arrays lie in memory as (C, *axes, N). With s the strides, an axis of the *large* side is split into windows
of 2s elements, and these into two halves h of s phases p; an axis of the *small* side into tiles of two.
"""

import itertools
import math

import numpy as np

from tgan_chainer.kernels.bias import add_bias
from tgan_chainer.kernels.layout import batch_first, batch_last
from tgan_chainer.parallel import chunks, for_each, scratch, slice_length

# What a thread works on at a time is to stay in the cache: so many elements of the batch, columns of the
# matrix products, and rows of the large side's matrix. Measured on the layers of Table 1 and Fig. 1.
_BATCH = 64
_COLUMNS = 1024
_ROWS = 128


def convolve(x, W, grid, b=None):
    return add_bias(batch_first(_TwoTaps(grid).convolve(batch_last(x), grid.used_kernel(W))), b)


def deconvolve(y, W, grid, b=None):
    return add_bias(batch_first(_TwoTaps(grid).deconvolve(batch_last(y), grid.used_kernel(W))), b)


def kernel_gradient(x, y, grid):
    return grid.whole_gradient(_TwoTaps(grid).kernel_gradient(batch_last(x), batch_last(y)))


class _TwoTaps:
    """The algorithm for one grid, whose axes all have two taps and a small side of even length."""

    def __init__(self, grid):
        self.kernel, self.stride, self.pad, self.large = grid.kernel, grid.stride, grid.pad, grid.large
        self.small = grid.small
        self.n_axes, self.n_phases = len(self.kernel), math.prod(self.stride)
        self.n_tiles = tuple(length // 2 for length in self.small)
        # Blocks are cut along the last axis but one, so that the runs in memory stay long.
        self.cut_axis = max(self.n_axes - 2, 0)

    def convolve(self, x, W):
        """x (C, *large, N), W (C', C, *kernel) → (C', *small, N)."""
        U = self._transform_kernel(W)
        y = np.empty((len(W), *self.small, x.shape[-1]), x.dtype)

        def run(task):
            batch, tiles = task
            windows = self._load_windows(x, slice(0, len(x)), tiles, batch)
            outputs = scratch("tiles", self._shape_of_tiles(len(W), tiles, batch), x.dtype)
            _convolve(windows, U, outputs, self.n_axes)
            for half, places in self._tiles(tiles):
                y[(slice(None), *places, batch)] = outputs[half]

        # At least two tasks.
        n_blocks = 2 if x.shape[-1] <= _BATCH else 1
        for_each(run, itertools.product(chunks(x.shape[-1], _BATCH), self._blocks(x.shape[-1], n_blocks)))
        return y

    def deconvolve(self, y, W):
        """y (C', *small, N), W (C', C, *kernel) → (C, *large, N)."""
        U = self._transform_kernel(W)
        x = np.zeros((W.shape[1], *self.large, y.shape[-1]), y.dtype)
        blocks = self._blocks(y.shape[-1])
        cut_axis = self.cut_axis - self.n_axes - 1

        def run(task):
            batch, channels = task
            rows = slice(channels.start * self.n_phases, channels.stop * self.n_phases)
            carry = []
            for tiles in blocks:
                is_last = tiles is blocks[-1]
                windows = self._windows(channels, tiles, batch, x.dtype)
                _deconvolve(self._load_tiles(y, tiles, batch), U[..., rows], windows, self.n_axes)
                next_carry = []
                for window, (half, places) in zip(windows, self._parts(tiles, is_last)):
                    if half[self.cut_axis] == 0:  # the element after a block's last is the next one's first
                        if carry:
                            _along(window, cut_axis, 0)[...] += carry.pop(0)
                        if not is_last:
                            next_carry.append(_along(window, cut_axis, -1).copy())
                    for phase, inside, outside in places:
                        x[(channels, *outside, batch)] = window[(slice(None), *phase, *inside)]
                carry = next_carry

        tasks = itertools.product(chunks(y.shape[-1], _BATCH), self._channels(W.shape[1]))
        for_each(run, tasks)
        return x

    def kernel_gradient(self, x, y):
        """x (C, *large, N), y, the gradient of the output, (C', *small, N) → (C', C, *kernel)."""
        n_taps = (2,) * self.n_axes
        gW = np.empty((len(y), len(x), *self.kernel), x.dtype)

        def run(channels):
            n_rows = slice_length(channels) * self.n_phases
            gU = np.zeros((*(3,) * self.n_axes, n_rows, len(y)), x.dtype)
            for batch in chunks(x.shape[-1], _BATCH):
                for tiles in self._blocks(x.shape[-1]):
                    windows = self._load_windows(x, channels, tiles, batch)
                    _kernel_gradient(windows, self._load_tiles(y, tiles, batch), gU, self.n_axes)
            taps = np.empty((*n_taps, n_rows, len(y)), x.dtype)
            _transform_kernel_adjoint(gU, taps, self.n_axes)
            taps = taps.reshape(*n_taps, -1, *self.stride, len(y))
            taps = np.moveaxis(taps, (-1, self.n_axes), (0, 1))  # C', C, taps, phases
            for tap in np.ndindex(*n_taps):
                places = tuple(slice(t * s, (t + 1) * s) for t, s in zip(tap, self.stride))
                of_tap = gW[(slice(None), channels, *places)]  # fewer than the strides' phases, perhaps
                of_tap[...] = taps[(slice(None), slice(None), *tap, *map(slice, of_tap.shape[2:]))]

        for_each(run, self._channels(len(x)))
        return gW

    def _transform_kernel(self, W):
        """W (C', C, *kernel) → (3, ..., 3, C', C s_1 ... s_n)."""
        n_taps, full = (2,) * self.n_axes, tuple(2 * s for s in self.stride)
        U = np.empty((*(3,) * self.n_axes, len(W), W.shape[1] * self.n_phases), W.dtype)

        def run(rows):
            kernel = W[rows]
            if self.kernel != full:
                missing = [(0, f - k) for f, k in zip(full, self.kernel)]
                kernel = np.pad(kernel, [(0, 0), (0, 0), *missing])
            kernel = kernel.reshape(*kernel.shape[:2], *itertools.chain(*zip(n_taps, self.stride)))
            axes = range(2, kernel.ndim)
            taps = scratch("taps", (*n_taps, len(kernel), U.shape[-1]), W.dtype)
            taps.reshape(*n_taps, *kernel.shape[:2], *self.stride)[...] = kernel.transpose(
                *axes[::2], 0, 1, *axes[1::2]
            )
            _transform_kernel(taps, U[..., rows, :], self.n_axes)

        for_each(run, chunks(len(W), max(1, 2**18 // W[0].size)))
        return U

    def _blocks(self, n, at_least=1):
        """Return the blocks of tiles, as tuples of slices, from first to last."""
        rows = self.n_tiles[self.cut_axis]
        columns = math.prod(self.n_tiles) // rows * min(n, _BATCH)
        blocks = []
        for chunk in chunks(rows, min(max(1, _COLUMNS // columns), -(-rows // at_least))):
            blocks.append([slice(0, n) for n in self.n_tiles])
            blocks[-1][self.cut_axis] = chunk
        return blocks

    def _channels(self, n):
        return chunks(n, min(max(1, _ROWS // self.n_phases, -(-n // 4)), -(-n // 2)))

    def _tiles(self, tiles):
        """Yield (half, where the elements of this half of the tiles are on the small axes)."""
        for half in np.ndindex(*(2,) * self.n_axes):
            yield half, tuple(slice(2 * t.start + h, 2 * t.stop, 2) for h, t in zip(half, tiles))

    def _load_tiles(self, y, tiles, batch):
        """Return (2, ..., 2, C', *tiles, batch)."""
        loaded = scratch("tiles", self._shape_of_tiles(len(y), tiles, batch), y.dtype)
        for half, places in self._tiles(tiles):
            loaded[half] = y[(slice(None), *places, batch)]
        return loaded

    def _shape_of_tiles(self, n_channels, tiles, batch):
        return (*(2,) * self.n_axes, n_channels, *map(slice_length, tiles), slice_length(batch))

    def _parts(self, tiles, with_last=True):
        """Yield (half, [(phase, its elements in the windows, the same on the large axes)]) for each half."""
        for half in np.ndindex(*(2,) * self.n_axes):
            places = []
            for phase in np.ndindex(*self.stride):
                inside, outside = [], []
                for axis, (h, p, t, s) in enumerate(zip(half, phase, tiles, self.stride)):
                    offset, step = s * h + p - self.pad[axis], 2 * s
                    stop = t.stop + (h == 0 and (with_last or axis != self.cut_axis))
                    start = max(t.start, -(offset // step))
                    stop = max(start, min(stop, (self.large[axis] - 1 - offset) // step + 1))
                    inside.append(slice(start - t.start, stop - t.start))
                    outside.append(slice(step * start + offset, max(step * stop + offset, 0), step))
                places.append((phase, inside, outside))
            yield half, places

    def _load_windows(self, x, channels, tiles, batch):
        """Return 2^n arrays (C, *stride, *lengths, batch): the halves, of t + 1 elements if even, else t."""
        windows = self._windows(channels, tiles, batch, x.dtype)
        for window, (_, places) in zip(windows, self._parts(tiles)):
            window.fill(0)
            for phase, inside, outside in places:
                window[(slice(None), *phase, *inside)] = x[(channels, *outside, batch)]
        return windows

    def _windows(self, channels, tiles, batch, dtype):
        windows = []
        for half in np.ndindex(*(2,) * self.n_axes):
            lengths = (slice_length(t) + 1 - h for t, h in zip(tiles, half))
            shape = (slice_length(channels), *self.stride, *lengths, slice_length(batch))
            windows.append(scratch(("windows", half), shape, dtype))
        return windows


def _convolve(windows, U, outputs, n_axes):
    if n_axes == 0:
        np.matmul(U, windows[0].reshape(U.shape[1], -1), out=outputs.reshape(len(U), -1))
        return
    evens, odds = windows[: len(windows) // 2], windows[len(windows) // 2 :]
    middle = scratch(("middle", n_axes), outputs[0].shape, outputs.dtype)
    _convolve(_differences(evens, odds, n_axes, slice(None, -1)), U[0], outputs[0], n_axes - 1)
    _convolve(_differences(evens, odds, n_axes, slice(1, None)), U[2], outputs[1], n_axes - 1)
    _convolve(odds, U[1], middle, n_axes - 1)
    outputs[0] += middle
    outputs[1] += middle


def _differences(evens, odds, n_axes, part):
    differences = []
    for i, (even, odd) in enumerate(zip(evens, odds)):
        # NumPy would buffer operands that lie in memory in pieces: a copy and a difference are faster.
        difference = scratch(("difference", n_axes, i), odd.shape, odd.dtype)
        np.copyto(difference, _along(even, -n_axes - 1, part))
        difference -= odd
        differences.append(difference)
    return differences


def _deconvolve(tiles, U, windows, n_axes):
    if n_axes == 0:
        np.matmul(U.T, tiles.reshape(len(U), -1), out=windows[0].reshape(U.shape[1], -1))
        return
    evens, odds = windows[: len(windows) // 2], windows[len(windows) // 2 :]
    axis = -n_axes - 1
    middle = scratch(("middle", n_axes), tiles[0].shape, tiles.dtype)
    firsts, lasts = (
        [scratch((name, n_axes, i), odd.shape, odd.dtype) for i, odd in enumerate(odds)]
        for name in ("first", "last")
    )
    _deconvolve(tiles[0], U[0], firsts, n_axes - 1)
    _deconvolve(tiles[1], U[2], lasts, n_axes - 1)
    _deconvolve(np.add(tiles[0], tiles[1], out=middle), U[1], odds, n_axes - 1)
    for even, odd, first, last in zip(evens, odds, firsts, lasts):
        odd -= first
        odd -= last
        np.copyto(_along(even, axis, slice(None, -1)), first)
        _along(even, axis, -1)[...] = 0
        _along(even, axis, slice(1, None))[...] += last


def _kernel_gradient(windows, tiles, gU, n_axes):
    if n_axes == 0:
        product = scratch("product", gU.shape, gU.dtype)
        n_rows, n_columns = gU.shape
        gU += np.matmul(windows[0].reshape(n_rows, -1), tiles.reshape(n_columns, -1).T, out=product)
        return
    evens, odds = windows[: len(windows) // 2], windows[len(windows) // 2 :]
    middle = scratch(("middle", n_axes), tiles[0].shape, tiles.dtype)
    _kernel_gradient(_differences(evens, odds, n_axes, slice(None, -1)), tiles[0], gU[0], n_axes - 1)
    _kernel_gradient(_differences(evens, odds, n_axes, slice(1, None)), tiles[1], gU[2], n_axes - 1)
    _kernel_gradient(odds, np.add(tiles[0], tiles[1], out=middle), gU[1], n_axes - 1)


def _transform_kernel(taps, U, n_axes):
    if n_axes == 0:
        np.copyto(U, taps)
        return
    middle = scratch(("middle tap", n_axes), taps[0].shape, taps.dtype)
    _transform_kernel(taps[0], U[0], n_axes - 1)
    _transform_kernel(np.add(taps[0], taps[1], out=middle), U[1], n_axes - 1)
    _transform_kernel(taps[1], U[2], n_axes - 1)


def _transform_kernel_adjoint(gU, taps, n_axes):
    if n_axes == 0:
        np.copyto(taps, gU)
        return
    middle = scratch(("middle tap", n_axes), taps[0].shape, taps.dtype)
    _transform_kernel_adjoint(gU[0], taps[0], n_axes - 1)
    _transform_kernel_adjoint(gU[2], taps[1], n_axes - 1)
    _transform_kernel_adjoint(gU[1], middle, n_axes - 1)
    taps += middle


def _along(array, axis, index):
    """Index one axis, given by a negative number."""
    return array[(..., index, *(slice(None),) * (-axis - 1))]
