"""Convolutions by PyTorch's kernels, cuDNN's on a GPU and oneDNN's on a CPU, for arrays of CuPy and NumPy.

CuPy has had no cuDNN since version 14. Where PyTorch is installed as well, its library ATen lends it to the
function nodes of :mod:`tgan_chainer.functions.convolution_nd`: arrays are handed over without a copy.

``chainer.config.pytorch_kernels`` says when. ``"auto"`` (the default): on GPUs that PyTorch sees as well;
``"off"``: never; ``"on"``: on a CPU, too, where oneDNN wants another memory layout than ours.
See :func:`tgan_chainer.devices.get_device` for how to choose.
"""

import functools

import numpy as np

import chainer
from chainer import backend
from chainer.backends import cuda

chainer.global_config.pytorch_kernels = "auto"
chainer.global_config.tf32 = False


def lends(x):
    """Say whether convolutions of the array (or variable) x are to be done here."""
    mode = chainer.config.pytorch_kernels
    if mode == "off" or x.dtype.char not in "efd" or not x.dtype.isnative:
        return False
    if backend.get_array_module(x) is np:
        return mode == "on" and _torch() is not None
    return _torch() is not None and _torch().cuda.is_available()


def convolve(x, W, b, grid):
    """x (N, C, *large), W (C', C, *kernel), b (C',) or None → (N, C', *small)."""
    arguments = [None if a is None else _to_torch(a) for a in (x, W, b)]
    return _from_torch(_call(_torch().ops.aten.convolution, *arguments, *_options(grid)), x)


def deconvolve(x, W, b, grid):
    """x (N, C, *small), W (C, C', *kernel), b (C',) or None → (N, C', *large)."""
    arguments = [None if a is None else _to_torch(a) for a in (x, W, b)]
    sizes = zip(grid.large, grid.small, grid.stride, W.shape[2:], grid.whole_pad)
    missing = tuple(d - (s * (o - 1) + k - 2 * p) for d, o, s, k, p in sizes)
    return _from_torch(_call(_torch().ops.aten.convolution, *arguments, *_options(grid, missing)), x)


def weight_gradient(x, gy, grid):
    """x (N, C, *large), gradient of the output gy (N, C', *small) → (C', C, *kernel)."""
    W = _to_torch(backend.get_array_module(x).empty((gy.shape[1], x.shape[1], *grid.whole_kernel), x.dtype))
    arguments = _to_torch(gy), _to_torch(x), W, None, *_options(grid), (False, True, False)
    return _from_torch(_call(_torch().ops.aten.convolution_backward, *arguments)[1], x)


def _options(grid, output_padding=None):
    """Return stride, padding, dilation, transposed (with an output padding), output padding, groups."""
    ones, zeros = (1,) * len(grid.stride), (0,) * len(grid.stride)
    return grid.stride, grid.whole_pad, ones, output_padding is not None, output_padding or zeros, 1


def _call(function, *arguments):
    torch = _torch()
    torch.backends.cudnn.allow_tf32 = chainer.config.tf32  # PyTorch's own default is True
    try:
        return function(*arguments)
    except torch.cuda.OutOfMemoryError:
        if cuda.available:
            cuda.cupy.get_default_memory_pool().free_all_blocks()  # which PyTorch cannot see
    try:
        return function(*arguments)
    except torch.cuda.OutOfMemoryError as error:
        raise MemoryError(str(error)) from error


@functools.cache
def _torch():
    try:
        import torch
    except ImportError:
        return None
    return torch


def _to_torch(array):
    if isinstance(array, np.ndarray):
        # PyTorch has no arrays that must not be written to, nor negative strides.
        fits = array.flags.writeable and min(array.strides) >= 0
        return _torch().from_numpy(array if fits else array.copy())
    return _torch().from_dlpack(array)


def _from_torch(tensor, like):
    xp = backend.get_array_module(like)
    return tensor.numpy() if xp is np else xp.from_dlpack(tensor)
