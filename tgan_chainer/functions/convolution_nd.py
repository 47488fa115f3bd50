"""Convolution and deconvolution over one, two or three axes, several times as fast on a CPU as Chainer's.

Chainer (and, where cuDNN is missing, CuPy with it) spends most of its time in im2col, col2im and transposes,
the more so the fewer channels there are. Here

- arrays lie in memory as (C, *axes, N) under Chainer's logical shape (N, C, *axes). Matrix products then need
  no transposes, and element-wise functions keep that order;
- an axis convolved with stride s is first split into s *phases*: elements 0, s, 2s, ...; elements 1, s + 1,
  ...; and so on. Within a phase the windows of neighbouring outputs are shifted by one, so that columns are
  gathered in long contiguous runs: 0.12 ns an element instead of 0.4 to 0.8;
- columns are gathered block by block and multiplied while they are in the cache, which gathering into main
  memory, at 0.7 ns an element, would defeat.
"""

import itertools
import math

import numpy as np

from tgan_chainer.functions import aten
from tgan_chainer.functions.minimal_filtering import MinimalFiltering
from tgan_chainer.functions.three_tap_filtering import ThreeTapFiltering
from tgan_chainer.parallel import chunks, for_each, scratch

import chainer
import chainer.functions as F
from chainer import backend
from chainer.utils import conv, conv_nd, type_check

# A matrix product of at most this many multiplications is done by OpenBLAS without packing its operands, for
# small matrices 2 to 4 times as fast: 8×64 by 64×1024 at 100 GFLOP/s, by 64×2048 at 28. Measured on one core.
_SMALL_PRODUCT = 10**6
# Large matrices need this many columns for full speed.
_MIN_COLUMNS = 512
# From so many channels on both sides minimal filtering pays.
_MIN_CHANNELS = 32
# Products of fewer operations than these are done on one thread.
_LARGE = 1 << 29
# Elements of the columns that are gathered at a time: 256 kB in float32, so that they stay in the cache. For
# several threads 1 MB, so that they do not wait for Python's lock; on a GPU 256 MB, to bound its memory.
_BLOCK = 1 << 16
_LARGE_BLOCK = 1 << 18
_GPU_BLOCK = 1 << 26


def convolution_nd(x, W, b=None, stride=1, pad=0):
    """Do what :func:`chainer.functions.convolution_nd` does, faster.

    Args:
        x: float (N, C, d_1, ..., d_n), n = 1, 2, 3.
        W: Weight, float (C', C, k_1, ..., k_n).
        b: Bias, float (C',), or None.
        stride (int or tuple of ints): Stride, along each axis.
        pad (int or tuple of ints): Zeros put before and after each axis.

    Returns:
        ~chainer.Variable: float (N, C', o_1, ..., o_n) with o = (d + 2 pad - k) // stride + 1; in memory
        (C', o_1, ..., o_n, N), unless a library computed it.

    Raises:
        chainer.utils.type_check.InvalidType: Shapes or dtypes do not fit.
    """
    if has_cudnn(x):
        return F.convolution_nd(x, W, b, stride, pad)
    n_axes = x.ndim - 2
    function = _Convolution(conv_nd.as_tuple(stride, n_axes), conv_nd.as_tuple(pad, n_axes))
    return function.apply((x, W) if b is None else (x, W, b))[0]


def deconvolution_nd(x, W, b=None, stride=1, pad=0, outsize=None):
    """Do what :func:`chainer.functions.deconvolution_nd` does, faster.

    Args:
        x: float (N, C, d_1, ..., d_n), n = 1, 2, 3.
        W: Weight, float (C, C', k_1, ..., k_n).
        b: Bias, float (C',), or None.
        stride (int or tuple of ints): Stride of the convolution that this one is the adjoint of.
        pad (int or tuple of ints): Padding of that convolution.
        outsize (tuple of ints): (o_1, ..., o_n); by default o = stride (d - 1) + k - 2 pad.

    Returns:
        ~chainer.Variable: float (N, C', o_1, ..., o_n); in memory (C', o_1, ..., o_n, N), unless a library
        computed it.

    Raises:
        chainer.utils.type_check.InvalidType: Shapes or dtypes do not fit.
    """
    if has_cudnn(x):
        return F.deconvolution_nd(x, W, b, stride, pad, outsize)
    n_axes = x.ndim - 2
    stride, pad = conv_nd.as_tuple(stride, n_axes), conv_nd.as_tuple(pad, n_axes)
    function = _Deconvolution(stride, pad, outsize)
    return function.apply((x, W) if b is None else (x, W, b))[0]


def has_cudnn(x):
    """Say whether x is on a GPU and Chainer computes there with cuDNN, which then is the fastest way."""
    return backend.get_array_module(x) is not np and chainer.should_use_cudnn(">=auto")


def is_batch_first(x):
    """Say whether x is on a GPU for whose convolutions arrays should lie in memory as (N, C, *axes)."""
    return has_cudnn(x) or (backend.get_array_module(x) is not np and aten.lends(x))


class _Convolution(chainer.FunctionNode):
    def __init__(self, stride, pad):
        self.stride, self.pad = stride, pad

    def check_type_forward(self, in_types):
        _check_types(in_types, len(self.stride), channel_axis=1, bias_axis=0)

    def forward(self, inputs):
        self.retain_inputs((0, 1))
        x, W, *b = inputs
        small = tuple(map(conv.get_conv_outsize, x.shape[2:], W.shape[2:], self.stride, self.pad))
        grid = _Grid(W.shape[2:], self.stride, self.pad, x.shape[2:], small)
        return (_convolve(x, W, b[0] if b else None, grid),)

    def backward(self, indexes, grad_outputs):
        x, W = self.get_retained_inputs()
        gradients = []
        (gy,) = grad_outputs
        if 0 in indexes:
            gradients.append(deconvolution_nd(gy, W, None, self.stride, self.pad, x.shape[2:]))
        if 1 in indexes:
            gradients.append(_WeightGradient(self.stride, self.pad, W.shape[2:]).apply((x, gy))[0])
        if 2 in indexes:
            gradients.append(_sum_per_channel(gy))
        return gradients


class _Deconvolution(chainer.FunctionNode):
    def __init__(self, stride, pad, outsize):
        self.stride, self.pad, self.outsize = stride, pad, outsize

    def check_type_forward(self, in_types):
        _check_types(in_types, len(self.stride), channel_axis=0, bias_axis=1)
        x, W = in_types[:2]
        for i, outsize in enumerate(self.outsize or ()):
            small = (outsize + 2 * self.pad[i] - W.shape[i + 2]) // self.stride[i] + 1
            type_check.expect(x.shape[i + 2] == small)

    def forward(self, inputs):
        self.retain_inputs((0, 1))
        x, W, *b = inputs
        self.outsize = self.outsize or tuple(
            map(conv.get_deconv_outsize, x.shape[2:], W.shape[2:], self.stride, self.pad)
        )
        grid = _Grid(W.shape[2:], self.stride, self.pad, self.outsize, x.shape[2:])
        return (_deconvolve(x, W, b[0] if b else None, grid),)

    def backward(self, indexes, grad_outputs):
        x, W = self.get_retained_inputs()
        gradients = []
        (gy,) = grad_outputs
        if 0 in indexes:
            gradients.append(convolution_nd(gy, W, None, self.stride, self.pad))
        if 1 in indexes:
            gradients.append(_WeightGradient(self.stride, self.pad, W.shape[2:]).apply((gy, x))[0])
        if 2 in indexes:
            gradients.append(_sum_per_channel(gy))
        return gradients


class _WeightGradient(chainer.FunctionNode):
    """The convolution's input x (N, C, *d) and gradient gy (N, C', *o) → gradient of W (C', C, *k)."""

    def __init__(self, stride, pad, kernel):
        self.stride, self.pad, self.kernel = stride, pad, kernel

    def forward(self, inputs):
        self.retain_inputs((0, 1))
        x, gy = inputs
        grid = _Grid(self.kernel, self.stride, self.pad, x.shape[2:], gy.shape[2:])
        return (_weight_gradient(x, gy, grid),)

    def backward(self, indexes, grad_outputs):
        x, gy = self.get_retained_inputs()
        gradients = []
        (ggW,) = grad_outputs
        if 0 in indexes:
            gradients.append(deconvolution_nd(gy, ggW, None, self.stride, self.pad, x.shape[2:]))
        if 1 in indexes:
            gradients.append(convolution_nd(x, ggW, None, self.stride, self.pad))
        return gradients


def _check_types(in_types, n_axes, channel_axis, bias_axis):
    type_check.expect(in_types.size() >= 2, in_types.size() <= 3)
    x, W = in_types[:2]
    type_check.expect(
        x.dtype.kind == "f",
        W.dtype == x.dtype,
        x.ndim == n_axes + 2,
        W.ndim == n_axes + 2,
        x.shape[1] == W.shape[channel_axis],
    )
    if type_check.eval(in_types.size()) == 3:
        b = in_types[2]
        type_check.expect(b.dtype == x.dtype, b.ndim == 1, b.shape[0] == W.shape[bias_axis])


def _sum_per_channel(gy):
    return F.sum(gy, axis=(0, *range(2, gy.ndim)))


class _Grid:
    """How a convolution maps axes of lengths ``large`` to axes of lengths ``small``.

    Tap k of the kernel is tap (k // stride) of phase (k % stride): an array of phases has the axes
    (C, stride_1, ..., stride_n, length_1, ..., length_n, N) and holds the element s·i + phase - pad of the
    large axis at (phase, i), or 0 where there is none.
    """

    def __init__(self, kernel, stride, pad, large, small):
        # Taps that see nothing but padding are left out: half of the kernel where an axis of two elements
        # becomes one, as in the last convolution of the discriminator.
        self.whole_kernel, self.whole_pad = kernel, pad
        first = tuple(min(max(0, p - s * (o - 1)), k - 1) for p, s, o, k in zip(pad, stride, small, kernel))
        stop = tuple(max(min(k, d + p), i + 1) for k, p, d, i in zip(kernel, pad, large, first))
        self.used = tuple(map(slice, first, stop))
        self.kernel = tuple(b - a for a, b in zip(first, stop))
        self.pad = tuple(p - a for p, a in zip(pad, first))
        self.stride, self.large, self.small = stride, large, small
        self.taps = tuple(-(-k // s) for k, s in zip(self.kernel, stride))
        self.lengths = tuple(o + t - 1 for o, t in zip(small, self.taps))

    def phases(self):
        """Yield indices (phase, its elements in an array of phases, the same elements on the large axes)."""
        for phase in np.ndindex(*self.stride):
            inner, outer = [], []
            for k, s, p, d, length in zip(phase, self.stride, self.pad, self.large, self.lengths):
                start = max(0, -(-(p - k) // s))
                stop = max(start, min(length, (d - 1 + p - k) // s + 1))
                inner.append(slice(start, stop))
                outer.append(slice(s * start + k - p, max(s * stop + k - p, 0), s))
            yield phase, tuple(inner), tuple(outer)

    def is_large(self, x, W_shape):
        """Say whether several threads pay for an array x with the batch axis first."""
        n_products = math.prod(W_shape) * math.prod(self.small) * len(x)
        return isinstance(x, np.ndarray) and 2 * n_products >= _LARGE

    def blocks(self, x, rows, other_side, is_large):
        """Cut the small axes into blocks, whose columns are multiplied by a matrix (rows, other_side).

        Yields (index of the block, axis): the products are those of the positions along this axis, or, if it
        is None, one. The columns of a product are contiguous in memory.
        """
        n, on_cpu = len(x), isinstance(x, np.ndarray)
        block_size = _LARGE_BLOCK if is_large else _BLOCK
        columns = max(_SMALL_PRODUCT // (rows * other_side), _MIN_COLUMNS) if on_cpu else _GPU_BLOCK // rows
        positions = max(columns // max(n, 1), 1)
        steps, axis = list(self.small), None
        for i in reversed(range(len(steps))):
            steps[i] = max(min(positions, steps[i]), 1)
            positions //= steps[i]
            if positions <= 1 and on_cpu and i > 0:
                n_products = block_size // (rows * math.prod(steps[i:]) * n)
                steps[i - 1] = max(min(n_products, steps[i - 1]), 1)
                steps[: i - 1] = [1] * (i - 1)
                axis = i - 1
                break
        for block in itertools.product(*map(chunks, self.small, steps)):
            yield block, axis

    def used_kernel(self, W):
        return W if self.kernel == self.whole_kernel else W[(..., *self.used)]

    def full_kernel(self, W):
        """Leave out the unused taps, and append zeros up to a whole number of strides."""
        missing = [(0, t * s - k) for t, s, k in zip(self.taps, self.stride, self.kernel)]
        W = self.used_kernel(W)
        if not np.any(missing):
            return W
        return backend.get_array_module(W).pad(W, [(0, 0), (0, 0), *missing], "constant")

    def minimal_filtering(self, x, W_shape):
        """Return Winograd's algorithm for these shapes if it pays, else None."""
        # Its additions pay from so many channels on, its larger kernel from so many columns. (Measured on
        # the layers of Table 1, Fig. 1 and C3D at the paper's and narrower widths.)
        if not isinstance(x, np.ndarray) or min(W_shape[:2]) < _MIN_CHANNELS:
            return None
        columns = math.prod(self.small) * len(x)
        if (
            all(t == 2 for t in self.taps)
            and all(o % 2 == 0 for o in self.small)
            and columns >= 256 << len(self.small)
        ):
            return MinimalFiltering(self.kernel, self.stride, self.pad, self.large, self.small)
        if (
            all(k == 3 and s == 1 for k, s in zip(self.kernel, self.stride))
            and columns >= 512
            and self.is_large(x, W_shape)
        ):
            return ThreeTapFiltering(self.pad, self.large, self.small)
        return None


def _convolve(x, W, b, grid):
    if aten.lends(x):
        return aten.convolve(x, W, b, grid)
    if fast := grid.minimal_filtering(x, W.shape):
        y = fast.convolve(_batch_last(x), grid.used_kernel(W))
        if b is not None:
            y += b.reshape(-1, *(1 for _ in y.shape[1:]))
        return _batch_first(y)
    is_large = grid.is_large(x, W.shape)
    W = _matrix(grid.full_kernel(W))
    windows = _windows(x, grid, is_large)
    xp = backend.get_array_module(x)
    y = xp.empty((len(W), *grid.small, len(x)), x.dtype)

    def run(task):
        block, axis = task
        columns = _columns(_products(windows, block, axis))
        y_block = xp.matmul(W, columns.reshape(len(columns), W.shape[1], -1))
        if b is not None:
            y_block += b[:, None]
        target = _products(y, block, axis)
        target[...] = y_block.reshape(target.shape)

    for_each(run, grid.blocks(x, *W.shape[::-1], is_large), is_large)
    return _batch_first(y)


def _weight_gradient(x, gy, grid):
    if aten.lends(x):
        return aten.weight_gradient(x, gy, grid)
    W_shape = (gy.shape[1], x.shape[1], *grid.kernel)
    gy = _batch_last(gy)
    if fast := grid.minimal_filtering(x, W_shape):
        gW = fast.kernel_gradient(_batch_last(x), gy)
    else:
        xp = backend.get_array_module(x)
        gW = xp.empty(W_shape, x.dtype)
        is_large = grid.is_large(x, W_shape)
        windows = _windows(x, grid, is_large)

        def run(channels):
            part = windows[channels]
            rows = math.prod(part.shape[: -1 - len(grid.small)])
            sums = 0
            for block, axis in grid.blocks(x, rows, len(gy), is_large):
                columns = _columns(_products(part, block, axis))
                columns = columns.reshape(len(columns), rows, -1)
                gy_block = _products(gy, block, axis).reshape(len(columns), len(gy), -1)
                # This way round the product takes OpenBLAS up to half the time of gy @ columns.T.
                sums += xp.matmul(columns, gy_block.swapaxes(1, 2)).sum(axis=0)
            kernel = (t * s for t, s in zip(grid.taps, grid.stride))
            sums = sums.T.reshape(len(gy), -1, *kernel)
            gW[:, channels] = sums[(..., *map(slice, grid.kernel))]

        for_each(run, _channels(is_large, x.shape[1], math.prod(grid.kernel)), is_large)
    if grid.kernel == grid.whole_kernel:
        return gW
    whole = backend.get_array_module(x).zeros((*W_shape[:2], *grid.whole_kernel), x.dtype)
    whole[(..., *grid.used)] = gW
    return whole


def _deconvolve(x, W, b, grid):
    if aten.lends(x):
        return aten.deconvolve(x, W, b, grid)
    if fast := grid.minimal_filtering(x, W.shape):
        y = fast.deconvolve(_batch_last(x), grid.used_kernel(W))
    else:
        is_large = grid.is_large(x, W.shape)
        W = grid.full_kernel(W)
        # Gathering computes all grid.lengths outputs of each phase, of which only grid.small count;
        # scattering adds up taps times as many elements as there are outputs. Limits measured on the layers
        # of Table 1 at full, a quarter and an eighth of their width.
        n_in, n_taps = len(W), math.prod(grid.taps)
        waste = math.prod(grid.lengths) / math.prod(grid.small) - 1
        is_gathered = waste * n_in < 16 and n_in * n_taps <= 2 * W[0].size
        phases = (_gather_phases if is_gathered else _scatter_phases)(x, W, grid)
        y = backend.get_array_module(x).zeros((W.shape[1], *grid.large, len(x)), x.dtype)

        def run(channels):
            for phase, inner, outer in grid.phases():
                y[(channels, *outer)] = phases[(channels, *phase, *inner)]

        for_each(run, _channels(is_large, len(y)), is_large)
    if b is not None:
        y += b.reshape(-1, *(1 for _ in y.shape[1:]))
    return _batch_first(y)


def _gather_phases(x, W, grid):
    """Compute the phases as the C' s^d channels of one convolution of stride 1."""
    W = W.reshape(*W.shape[:2], *_interleave(grid.taps, grid.stride))
    W = W.transpose(1, *range(3, W.ndim, 2), 0, *range(2, W.ndim, 2))
    W = W[(..., *(slice(None, None, -1) for _ in grid.taps))].reshape(-1, x.shape[1], *grid.taps)
    full_pad = tuple(t - 1 for t in grid.taps)
    unit_grid = _Grid(grid.taps, (1,) * len(grid.taps), full_pad, grid.small, grid.lengths)
    phases = _batch_last(_convolve(x, W, None, unit_grid))
    return phases.reshape(-1, *grid.stride, *grid.lengths, len(x))


def _scatter_phases(x, W, grid):
    """Add up the phases from the products of x with every element of the kernel."""
    xp = backend.get_array_module(x)
    n, n_out, is_large = len(x), W.shape[1], grid.is_large(x, W.shape)
    x_rows = _batch_last(x)
    phases = xp.zeros((n_out, *grid.stride, *grid.lengths, n), x.dtype)
    kernel = _interleave(grid.taps, grid.stride)

    def run(channels):
        rows = _matrix(W[:, channels]).T
        for block, axis in grid.blocks(x, *rows.shape, is_large):
            x_block = _products(x_rows, block, axis)
            columns = xp.matmul(rows, x_block.reshape(*x_block.shape[:2], -1))
            columns = columns.reshape(len(columns), -1, *kernel, *x_block.shape[2:])
            for tap in np.ndindex(*grid.taps):
                shifted = tuple(slice(i.start + t, i.stop + t) for i, t in zip(block, tap))
                of_tap = _interleave(tap, (slice(None),) * len(tap))
                of_phases = _products(phases[channels], shifted, axis)
                of_phases += columns[(slice(None), slice(None), *of_tap)]

    for_each(run, _channels(is_large, n_out, math.prod(kernel)), is_large)
    return phases


def _channels(is_large, n, rows=1):
    """Cut n channels into parts for threads, of at least 64 rows, where each channel has ``rows``."""
    return chunks(n, max(64 // rows, -(-n // 4))) if is_large else [slice(None)]


def _windows(x, grid, is_large):
    """View the phases of x as (C, taps_1, stride_1, ..., taps_n, stride_n, small_1, ..., small_n, N)."""
    xp = backend.get_array_module(x)
    phases = xp.zeros((x.shape[1], *grid.stride, *grid.lengths, len(x)), x.dtype)
    x = xp.moveaxis(x, 0, -1)

    def run(channels):
        for phase, inner, outer in grid.phases():
            phases[(channels, *phase, *inner)] = x[(channels, *outer)]

    for_each(run, _channels(is_large, len(x)), is_large)
    n_axes = len(grid.small)
    of_channel, *strides, of_n = phases.strides
    of_phase, of_length = strides[:n_axes], strides[n_axes:]
    return xp.lib.stride_tricks.as_strided(
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
    if not isinstance(windows, np.ndarray):
        return windows.copy()
    columns = scratch("columns", windows.shape, windows.dtype)
    np.copyto(columns, windows)
    return columns


def _interleave(a, b):
    return tuple(i for pair in zip(a, b) for i in pair)


def _matrix(W):
    return W.reshape(len(W), -1)


def _batch_last(x):
    """Lay out x (N, C, *axes) as (C, *axes, N), without a copy if it lies in memory like that."""
    xp = backend.get_array_module(x)
    return xp.ascontiguousarray(xp.moveaxis(x, 0, -1))


def _batch_first(y):
    return backend.get_array_module(y).moveaxis(y, -1, 0)
