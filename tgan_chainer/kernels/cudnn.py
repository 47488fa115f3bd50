"""Convolutions by the cuDNN that CuPy 12 and 13 bring to a GPU, called as Chainer's own functions call it."""

import numpy as np

from tgan_chainer.kernels.bias import add_bias

import chainer
from chainer import backend
from chainer.backends import cuda


def computes(x):
    """Say whether convolutions of the array (or variable) x are to be done here: 2 or 3 axes, on a GPU."""
    return backend.get_array_module(x) is not np and x.ndim != 3 and chainer.should_use_cudnn(">=auto")


def convolve(x, W, grid, b=None):
    y = cuda.cupy.empty((len(x), len(W), *grid.small), x.dtype)
    cuda.cudnn.convolution_forward(x, W, None, y, *_geometry(grid), **_options())
    return add_bias(y, b)


def deconvolve(y, W, grid, b=None):
    x = cuda.cupy.empty((len(y), W.shape[1], *grid.large), y.dtype)
    cuda.cudnn.convolution_backward_data(W, y, None, x, *_geometry(grid), **_deterministic(), **_options())
    return add_bias(x, b)


def kernel_gradient(x, y, grid):
    gW = cuda.cupy.empty((y.shape[1], x.shape[1], *grid.whole_kernel), x.dtype)
    cuda.cudnn.convolution_backward_filter(x, y, gW, *_geometry(grid), **_deterministic(), **_options())
    return gW


def _geometry(grid):
    """Return padding, stride, dilation and groups."""
    return grid.whole_pad, grid.stride, (1,) * len(grid.stride), 1


def _options():
    return {"auto_tune": chainer.config.autotune, "tensor_core": chainer.config.use_cudnn_tensor_core}


def _deterministic():
    return {"deterministic": chainer.config.cudnn_deterministic}
