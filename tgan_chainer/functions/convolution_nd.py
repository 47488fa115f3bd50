"""Convolution and deconvolution over one, two or three axes, for small channel counts too.

Chainer's own (and CuPy's, where cuDNN is missing) spend most of their time in im2col, col2im and
transposes. Here

- arrays lie in memory as (C, *axes, N) under Chainer's logical shape (N, C, *axes), so that the matrix
  products need no transposes; NumPy's element-wise functions and Chainer's functions keep that order;
- a stride of s splits the input into its s^d *phases* (every s-th element, offset by 0, ..., s - 1) once;
  within a phase the windows of neighbouring outputs are neighbours, so that columns are gathered in long
  contiguous runs, several times as fast as from the input itself;
- columns are gathered block by block and used while they are in the cache: gathering costs 0.1 ns an
  element there and 0.7 ns in main memory.
"""

import itertools

import numpy as np

import chainer
import chainer.functions as F
from chainer import backend
from chainer.utils import conv, conv_nd, type_check

# Elements of a column matrix that are gathered at a time (2 MB in float32, about an L2 cache), unless that
# leaves fewer columns than a matrix product needs to be fast.
_BLOCK_SIZE = 1 << 19
_MIN_COLUMNS = 512


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
        (C', o_1, ..., o_n, N).

    Raises:
        chainer.utils.type_check.InvalidType: Shapes or dtypes do not fit.
    """
    if _has_cudnn(x):
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
        ~chainer.Variable: float (N, C', o_1, ..., o_n); in memory (C', o_1, ..., o_n, N).

    Raises:
        chainer.utils.type_check.InvalidType: Shapes or dtypes do not fit.
    """
    if _has_cudnn(x):
        return F.deconvolution_nd(x, W, b, stride, pad, outsize)
    n_axes = x.ndim - 2
    stride, pad = conv_nd.as_tuple(stride, n_axes), conv_nd.as_tuple(pad, n_axes)
    function = _Deconvolution(stride, pad, outsize)
    return function.apply((x, W) if b is None else (x, W, b))[0]


def _has_cudnn(x):
    return backend.get_array_module(x) is not np and chainer.should_use_cudnn(">=auto")


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
        self.kernel, self.stride, self.pad, self.large, self.small = kernel, stride, pad, large, small
        self.taps = tuple(-(-k // s) for k, s in zip(kernel, stride))
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

    def blocks(self, n, rows):
        """Yield indices of parts of the small axes, contiguous in memory, with few enough columns."""
        budget = max(_BLOCK_SIZE // rows, _MIN_COLUMNS) // n
        steps = []
        for length in reversed(self.small):
            steps.insert(0, min(length, max(budget, 1)))
            budget //= steps[0]
        starts = (range(0, length, step) for length, step in zip(self.small, steps))
        for start in itertools.product(*starts):
            yield tuple(slice(i, min(i + step, length)) for i, step, length in zip(start, steps, self.small))

    def full_kernel(self, W):
        """Append zeros up to a whole number of strides."""
        missing = [(0, t * s - k) for t, s, k in zip(self.taps, self.stride, self.kernel)]
        return np.pad(W, [(0, 0), (0, 0), *missing]) if np.any(missing) else W


def _convolve(x, W, b, grid):
    W = _matrix(grid.full_kernel(W))
    windows = _windows(x, grid)
    y = _empty(x, len(W), grid.small)
    for block in grid.blocks(len(x), W.shape[1]):
        y_block = W @ windows[(..., *block, slice(None))].reshape(W.shape[1], -1)
        if b is not None:
            y_block += b[:, None]
        y[(slice(None), *block)].reshape(len(W), -1)[...] = y_block
    return _batch_first(y)


def _weight_gradient(x, gy, grid):
    windows = _windows(x, grid)
    gy = _batch_last(gy)
    shape = windows.shape[: -len(grid.small) - 1]
    rows = int(np.prod(shape))
    gW = 0
    for block in grid.blocks(len(x), rows):
        gy_block = gy[(slice(None), *block)].reshape(len(gy), -1)
        gW += gy_block @ windows[(..., *block, slice(None))].reshape(rows, -1).T
    gW = gW.reshape(len(gy), x.shape[1], *(t * s for t, s in zip(grid.taps, grid.stride)))
    return gW[(..., *map(slice, grid.kernel))]


def _deconvolve(x, W, b, grid):
    xp = backend.get_array_module(x)
    n, n_out = len(x), W.shape[1]
    W = _matrix(grid.full_kernel(W)).T
    x = _batch_last(x)
    phases = xp.zeros((n_out, *grid.stride, *grid.lengths, n), x.dtype)
    interleaved = [i for pair in zip(grid.taps, grid.stride) for i in pair]
    for block in grid.blocks(n, len(W)):
        columns = W @ x[(slice(None), *block)].reshape(len(x), -1)
        columns = columns.reshape(n_out, *interleaved, *(i.stop - i.start for i in block), n)
        for tap in np.ndindex(*grid.taps):
            of_tap = tuple(i for t in tap for i in (t, slice(None)))
            shifted = tuple(slice(i.start + t, i.stop + t) for i, t in zip(block, tap))
            phases[(..., *shifted, slice(None))] += columns[(slice(None), *of_tap)]
    y = xp.zeros((n_out, *grid.large, n), x.dtype)
    for phase, inner, outer in grid.phases():
        y[(slice(None), *outer)] = phases[(slice(None), *phase, *inner)]
    if b is not None:
        y += b.reshape(-1, *(1 for _ in y.shape[1:]))
    return _batch_first(y)


def _windows(x, grid):
    """View the phases of x as (C, taps_1, stride_1, ..., taps_n, stride_n, small_1, ..., small_n, N)."""
    xp = backend.get_array_module(x)
    phases = xp.zeros((x.shape[1], *grid.stride, *grid.lengths, len(x)), x.dtype)
    x = xp.moveaxis(x, 0, -1)
    for phase, inner, outer in grid.phases():
        phases[(slice(None), *phase, *inner)] = x[(slice(None), *outer)]
    n_axes = len(grid.small)
    of_channel, *of_phase = phases.strides[: 1 + n_axes]
    of_length = phases.strides[1 + n_axes : -1]
    taps = [i for pair in zip(grid.taps, grid.stride) for i in pair]
    of_taps = [i for pair in zip(of_length, of_phase) for i in pair]
    return xp.lib.stride_tricks.as_strided(
        phases,
        (len(phases), *taps, *grid.small, phases.shape[-1]),
        (of_channel, *of_taps, *of_length, phases.strides[-1]),
    )


def _matrix(W):
    return W.reshape(len(W), -1)


def _empty(x, channels, sizes):
    return backend.get_array_module(x).empty((channels, *sizes, len(x)), x.dtype)


def _batch_last(x):
    xp = backend.get_array_module(x)
    return xp.ascontiguousarray(xp.moveaxis(x, 0, -1))


def _batch_first(y):
    return backend.get_array_module(y).moveaxis(y, -1, 0)
