"""Convolutions by PyTorch's kernels, cuDNN's on a GPU and oneDNN's on a CPU, for arrays of CuPy and NumPy.

CuPy has had no cuDNN since version 14. Where PyTorch is installed as well, its library ATen lends it:
arrays are handed over without a copy.

``chainer.config.pytorch_kernels`` says when. ``"auto"`` (the default): on GPUs that PyTorch sees as well;
``"off"``: never; ``"on"``: on a CPU, too, where oneDNN wants another memory layout than ours.
``chainer.config.tf32`` (by default False) says whether a GPU may round factors to TF32.
See :func:`tgan_chainer.devices.use_device` for how to choose.
"""

import functools

import numpy as np

import chainer
from chainer import backend
from chainer.backends import cuda


def computes(x):
    """Say whether convolutions of the array (or variable) x are to be done here."""
    mode = getattr(chainer.config, "pytorch_kernels", "auto")
    if mode == "off" or x.dtype.char not in "efd" or not x.dtype.isnative:
        return False
    if backend.get_array_module(x) is np:
        return mode == "on" and _torch() is not None
    return _torch() is not None and _torch().cuda.is_available()


def convolve(x, W, grid, b=None):
    arguments = _to_torch(x), _to_torch(W), None if b is None else _to_torch(b), *_options(grid)
    return _from_torch(_call(_torch().ops.aten.convolution, *arguments), x)


def deconvolve(y, W, grid, b=None):
    sizes = zip(grid.large, grid.small, grid.stride, W.shape[2:], grid.whole_pad)
    missing = tuple(d - (s * (o - 1) + k - 2 * p) for d, o, s, k, p in sizes)
    b = None if b is None else _to_torch(b)
    arguments = _to_torch(y), _to_torch(W), b, *_options(grid, missing)
    return _from_torch(_call(_torch().ops.aten.convolution, *arguments), y)


def kernel_gradient(x, y, grid):
    W = backend.get_array_module(x).empty((y.shape[1], x.shape[1], *grid.whole_kernel), x.dtype)
    arguments = _to_torch(y), _to_torch(x), _to_torch(W), None, *_options(grid), (False, True, False)
    return _from_torch(_call(_torch().ops.aten.convolution_backward, *arguments)[1], x)


def _options(grid, output_padding=None):
    """Return stride, padding, dilation, transposed (with an output padding), output padding, groups."""
    ones, zeros = (1,) * len(grid.stride), (0,) * len(grid.stride)
    return grid.stride, grid.whole_pad, ones, output_padding is not None, output_padding or zeros, 1


def _call(function, *arguments):
    torch, cudnn = _torch(), _torch().backends.cudnn
    of_others = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
    cudnn.allow_tf32 = getattr(chainer.config, "tf32", False)
    cudnn.deterministic = chainer.config.cudnn_deterministic
    # Let cuDNN time its ways once for each shape, of which another run may choose another.
    cudnn.benchmark = not cudnn.deterministic
    try:
        try:
            return function(*arguments)
        except torch.cuda.OutOfMemoryError:
            if cuda.available:
                cuda.cupy.get_default_memory_pool().free_all_blocks()  # which PyTorch cannot see
        return function(*arguments)
    except torch.cuda.OutOfMemoryError as error:
        raise MemoryError(str(error)) from error
    finally:
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = of_others


@functools.cache
def _torch():
    try:
        import torch
    except ImportError:
        return None
    return torch


def _to_torch(array):
    # PyTorch has no arrays that must not be written to, nor negative strides.
    on_cpu = isinstance(array, np.ndarray)
    if min(array.strides) < 0 or (on_cpu and not array.flags.writeable):
        array = array.copy()
    return _torch().from_numpy(array) if on_cpu else _torch().from_dlpack(array)


def _from_torch(tensor, like):
    xp = backend.get_array_module(like)
    return tensor.numpy() if xp is np else xp.from_dlpack(tensor)
