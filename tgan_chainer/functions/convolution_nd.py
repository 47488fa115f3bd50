"""Convolution and deconvolution over one, two or three axes, several times as fast on a CPU as Chainer's.

The function nodes; how they compute is told in :mod:`tgan_chainer.kernels`.
"""

import functools

from tgan_chainer.kernels import Grid, choose, gpu

import chainer
import chainer.functions as F
from chainer.utils import conv, conv_nd, type_check

# A grid takes Python as long as a small product takes the compiled kernels.
_grid = functools.lru_cache(1024)(Grid)


def convolution_nd(x, W, b=None, stride=1, pad=0):
    """Do what :func:`chainer.functions.convolution_nd` does, faster.

    Args:
        x: float (N, C, d_1, ..., d_n), n = 1, 2, 3.
        W: Weight, float (C', C, k_1, ..., k_n).
        b: Bias, float (C',), or None.
        stride (int or tuple of ints): Stride, along each axis.
        pad (int or tuple of ints): Zeros put before and after each axis.

    Returns:
        ~chainer.Variable: float (N, C', o_1, ..., o_n) with o = (d + 2 pad - k) // stride + 1.

    Raises:
        chainer.utils.type_check.InvalidType: Shapes or dtypes do not fit.
    """
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
        ~chainer.Variable: float (N, C', o_1, ..., o_n).

    Raises:
        chainer.utils.type_check.InvalidType: Shapes or dtypes do not fit.
    """
    n_axes = x.ndim - 2
    stride, pad = conv_nd.as_tuple(stride, n_axes), conv_nd.as_tuple(pad, n_axes)
    function = _Deconvolution(stride, pad, outsize)
    return function.apply((x, W) if b is None else (x, W, b))[0]


class _Convolution(chainer.FunctionNode):
    def __init__(self, stride, pad):
        self.stride, self.pad = stride, pad

    def check_type_forward(self, in_types):
        _check_types(in_types, len(self.stride), channel_axis=1, bias_axis=0)

    def forward(self, inputs):
        self.retain_inputs((0, 1))
        x, W, *b = inputs
        small = tuple(map(conv.get_conv_outsize, x.shape[2:], W.shape[2:], self.stride, self.pad))
        grid = _grid(W.shape[2:], self.stride, self.pad, x.shape[2:], small)
        return (choose(x).convolve(x, W, grid, *b),)

    def backward(self, indexes, grad_outputs):
        x, W = self.get_retained_inputs()
        gradients = []
        (gy,) = grad_outputs
        if 0 in indexes:
            gradients.append(_apply(_Deconvolution(self.stride, self.pad, x.shape[2:]), gy, W))
        if 1 in indexes:
            gradients.append(_apply(_KernelGradient(self.stride, self.pad, W.shape), x, gy))
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
        grid = _grid(W.shape[2:], self.stride, self.pad, self.outsize, x.shape[2:])
        return (choose(x).deconvolve(x, W, grid, *b),)

    def backward(self, indexes, grad_outputs):
        x, W = self.get_retained_inputs()
        gradients = []
        (gy,) = grad_outputs
        grid = _grid(W.shape[2:], self.stride, self.pad, gy.shape[2:], x.shape[2:])
        kernels = choose(gy)
        shares = hasattr(kernels, "convolve_and_kernel_gradient") and not chainer.config.enable_backprop
        if shares and {0, 1} <= set(indexes):
            arrays = kernels.convolve_and_kernel_gradient(gy.array, W.array, x.array, grid)
            gradients += map(chainer.as_variable, arrays)
            indexes = set(indexes) - {0, 1}
        if 0 in indexes:
            gradients.append(_apply(_Convolution(self.stride, self.pad), gy, W))
        if 1 in indexes:
            gradients.append(_apply(_KernelGradient(self.stride, self.pad, W.shape), gy, x))
        if 2 in indexes:
            gradients.append(_sum_per_channel(gy))
        return gradients


class _KernelGradient(chainer.FunctionNode):
    """The convolution's input x (N, C, *d) and gradient gy (N, C', *o) → gradient of W (C', C, *k)."""

    def __init__(self, stride, pad, W_shape):
        self.stride, self.pad, self.W_shape = stride, pad, W_shape

    def forward(self, inputs):
        self.retain_inputs((0, 1))
        x, gy = inputs
        grid = _grid(self.W_shape[2:], self.stride, self.pad, x.shape[2:], gy.shape[2:])
        return (choose(x).kernel_gradient(x, gy, grid),)

    def backward(self, indexes, grad_outputs):
        x, gy = self.get_retained_inputs()
        gradients = []
        (ggW,) = grad_outputs
        if 0 in indexes:
            gradients.append(_apply(_Deconvolution(self.stride, self.pad, x.shape[2:]), gy, ggW))
        if 1 in indexes:
            gradients.append(_apply(_Convolution(self.stride, self.pad), x, ggW))
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


def _apply(function, *inputs):
    """Apply a function in a backward pass: where no graph is kept, without Chainer's type checks and hooks.

    They take a quarter of a small call's time.
    """
    if chainer.config.enable_backprop:
        return function.apply(inputs)[0]
    return chainer.as_variable(function.forward(tuple(v.array for v in inputs))[0])


def _sum_per_channel(gy):
    axes = (0, *range(2, gy.ndim))
    if chainer.config.enable_backprop:
        return F.sum(gy, axes)
    return chainer.as_variable(gpu.sum_of_channels(gy.array) if gpu.computes(gy) else gy.array.sum(axes))
