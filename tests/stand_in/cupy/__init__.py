"""A stand-in for CuPy on machines without a GPU: strict about what CuPy refuses, and counting.

``import cupy`` finds it where ``tests/stand_in`` comes first in PYTHONPATH. See the README there.
"""

import os as _os
import sys as _sys

import numpy as _np

from cupy import cuda, linalg, random
from cupy._array import array_of as _array_of
from cupy._array import check_dtype as _check_dtype
from cupy._array import host as _host
from cupy._array import launch as _launch
from cupy._array import matmul, ndarray, ufunc
from cupy._array import reduce as _reduce
from cupy._array import wrap as _wrap
from cupy._counts import counts as _counts
from cupy._counts import empty as _empty
from cupy._kernels import ElementwiseKernel, ReductionKernel

__version__ = _os.environ.get("STAND_IN_VERSION", "14.0.0")
__all__ = ["ElementwiseKernel", "ReductionKernel", "cuda", "linalg", "random"]

for _name in (
    "absolute add bitwise_and bitwise_or bitwise_xor copysign divide equal exp floor floor_divide greater "
    "greater_equal invert isfinite isinf isnan less less_equal log logical_and logical_not logical_or "
    "maximum minimum multiply negative not_equal power reciprocal remainder rint sign sqrt square subtract "
    "tanh true_divide"
).split():
    globals()[_name] = ufunc(getattr(_np, _name), _name)
for _name in "bool_ float16 float32 float64 int8 int16 int32 int64 uint8 uint32 uint64 newaxis".split():
    globals()[_name] = getattr(_np, _name)


# Making arrays


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, ndarray):
        return obj.astype(dtype or obj.dtype, copy=copy or ndmin > obj.ndim)
    if isinstance(obj, list | tuple) and any(isinstance(x, ndarray) for x in obj):
        return stack([asarray(x, dtype) for x in obj])
    of_host = _np.array(obj, dtype, order="C" if order == "K" else order, ndmin=ndmin)
    _check_dtype(of_host.dtype)
    _counts.sent.append(of_host.nbytes)  # through pinned memory, without waiting
    return _wrap(of_host)


def asarray(a, dtype=None, order=None, *, blocking=False):
    return array(a, dtype, False, order or "K")


def ascontiguousarray(a, dtype=None):
    x = _array_of(a)
    return a if x.flags.c_contiguous and dtype in (None, x.dtype) else a.astype(dtype or x.dtype, "C")


def empty(shape, dtype=float, order="C"):
    return ndarray(shape, dtype, order=order)


def full(shape, fill_value, dtype=None, order="C"):
    result = ndarray(shape, _np.asarray(fill_value).dtype if dtype is None else dtype, order=order)
    result.fill(fill_value)
    return result


def zeros(shape, dtype=float, order="C"):
    return full(shape, 0, dtype, order)


def ones(shape, dtype=float, order="C"):
    return full(shape, 1, dtype, order)


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    like = _np.empty_like(_array_of(prototype), dtype, order, shape=shape)
    result = _wrap(like)
    if not _counts.only:
        like[...] = _empty(like.shape, like.dtype)
    return result


def full_like(a, fill_value, dtype=None, order="K", subok=None, shape=None):
    result = empty_like(a, dtype, order, subok, shape)
    result.fill(fill_value)
    return result


def zeros_like(a, dtype=None, order="K", subok=None, shape=None):
    return full_like(a, 0, dtype, order, subok, shape)


def ones_like(a, dtype=None, order="K", subok=None, shape=None):
    return full_like(a, 1, dtype, order, subok, shape)


def arange(start, stop=None, step=1, dtype=None):
    result = _np.arange(start, stop, step, dtype) if stop is not None else _np.arange(0, start, step, dtype)
    _counts.launch("arange", result)
    return _wrap(result)


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    result = _np.linspace(start, stop, num, endpoint, retstep, dtype, axis)
    _counts.launch("linspace", result, n=3)
    return _wrap(result)


def eye(N, M=None, k=0, dtype=float, order="C"):
    result = _np.eye(N, M, k, dtype, order)
    _counts.launch("eye", result, n=2)
    return _wrap(result)


def copyto(dst, src, casting="same_kind", where=None):
    target, source = _array_of(dst), _host(src)
    if isinstance(source, _np.ndarray) and not _np.can_cast(source.dtype, target.dtype, casting):
        raise TypeError(f"Cannot cast {source.dtype} to {target.dtype} in {casting} casting mode")
    if _counts.launch("copyto", target, *([source] if isinstance(source, _np.ndarray) else [])):
        _np.copyto(target, source, casting, True if where is None else _host(where))


# Views


def moveaxis(a, source, destination):
    return a._view(_np.moveaxis(_array_of(a), source, destination))


def rollaxis(a, axis, start=0):
    return a._view(_np.rollaxis(_array_of(a), axis, start))


def expand_dims(a, axis):
    return a._view(_np.expand_dims(_array_of(a), axis))


def broadcast_to(array, shape):
    return array._view(_np.broadcast_to(_array_of(array), shape))


def broadcast_arrays(*args):
    shape = _np.broadcast_shapes(*(a.shape for a in args))
    return [broadcast_to(a, shape) for a in args]


def transpose(a, axes=None):
    return a.transpose(*([] if axes is None else [axes]))


def swapaxes(a, axis1, axis2):
    return a.swapaxes(axis1, axis2)


def squeeze(a, axis=None):
    return a.squeeze(axis)


def reshape(a, newshape, order="C"):
    return a.reshape(newshape, order=order)


def ravel(a, order="C"):
    return a.ravel(order)


def split(ary, indices_or_sections, axis=0):
    return [ary._view(part) for part in _np.split(_array_of(ary), indices_or_sections, axis)]


class _StrideTricks:
    @staticmethod
    def as_strided(x, shape=None, strides=None):
        view = _np.lib.stride_tricks.as_strided(_array_of(x), shape, strides)
        last = _np.dot(_np.subtract(view.shape, 1), view.strides)
        if view.size and last + view.itemsize > x.nbytes:
            raise MemoryError("as_strided reaches out of the array")
        return x._view(view)


class lib:
    stride_tricks = _StrideTricks


# Joining and picking


def concatenate(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    parts = [_array_of(a) for a in tup]
    shape = list(parts[0].shape)
    shape[axis] = int(_np.sum([p.shape[axis] for p in parts]))
    dtype = _np.result_type(*(p.dtype for p in parts))
    # One launch for each part, as CuPy does it for up to eight.
    n = len(parts)
    return _launch("concatenate", lambda *p: _np.concatenate(p, axis), parts, out, shape, dtype, n)


def stack(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    return concatenate([expand_dims(a, axis) for a in tup], axis, out)


def hstack(tup, *, dtype=None, casting="same_kind"):
    return concatenate(tup, 0 if tup[0].ndim == 1 else 1)


def vstack(tup, *, dtype=None, casting="same_kind"):
    return concatenate([a[None] if a.ndim == 1 else a for a in tup], 0)


def repeat(a, repeats, axis=None):
    return a.repeat(repeats, axis)


def pad(array, pad_width, mode="constant", **kwargs):
    x = _array_of(array)
    shape = [n + a + b for n, (a, b) in zip(x.shape, pad_width)]
    return _launch("pad", lambda x: _np.pad(x, pad_width, mode, **kwargs), [x], None, shape, x.dtype, n=2)


def where(condition, x=None, y=None):
    ins = [_host(v) for v in (condition, x, y)]
    ones = [_np.ones(1, v.dtype) if isinstance(v, _np.ndarray) else v for v in ins[1:]]
    dtype = _np.where(True, *ones).dtype
    return _launch("where", _np.where, ins, None, _np.broadcast_shapes(*map(_np.shape, ins)), dtype)


def clip(a, a_min, a_max, out=None):
    ins = [_array_of(a), *(None if v is None else _host(v) for v in (a_min, a_max))]
    return _launch("clip", _np.clip, ins, out, ins[0].shape, ins[0].dtype)


def dot(a, b, out=None):
    return matmul(a, b, out)


def tensordot(a, b, axes=2):
    x, y = _array_of(a), _array_of(b)
    result = _np.ascontiguousarray(_np.tensordot(x, y, axes))
    _counts.launch("tensordot", x, x, x, y, y, y, result, n=3)  # both factors are copied first
    return _wrap(result)


# Sums


def sum(a, axis=None, dtype=None, out=None, keepdims=False):
    return _reduce("sum", a, axis, out, keepdims, dtype=dtype)


def mean(a, axis=None, dtype=None, out=None, keepdims=False):
    return _reduce("mean", a, axis, out, keepdims, dtype=dtype)


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    return _reduce("std", a, axis, out, keepdims, dtype=dtype, ddof=ddof)


def amax(a, axis=None, out=None, keepdims=False):
    return _reduce("max", a, axis, out, keepdims)


def amin(a, axis=None, out=None, keepdims=False):
    return _reduce("min", a, axis, out, keepdims)


max, min = amax, amin


def all(a, axis=None, out=None, keepdims=False):
    return _reduce("all", a, axis, out, keepdims)


# The rest


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get(stream, order, out, blocking) if isinstance(a, ndarray) else _np.asarray(a, order=order)


def from_dlpack(array):
    return _wrap(array.numpy(), array)


def get_array_module(*args):
    return _sys.modules["cupy"] if any(isinstance(a, ndarray) for a in args) else _np


def memoize(for_each_device=False):
    def decorate(function):
        results = {}
        _memories.append(results)

        def call(*args, **kwargs):
            key = args, frozenset(kwargs.items())
            if key not in results:
                results[key] = function(*args, **kwargs)
            return results[key]

        return call

    return decorate


_memories = []


def clear_memo():
    for results in _memories:
        results.clear()


def fuse(*args, **kwargs):
    return args[0] if args else lambda function: function


class _MemoryPool:
    used_bytes = total_bytes = n_free_blocks = staticmethod(lambda: 0)
    free_all_blocks = staticmethod(lambda stream=None: None)


def get_default_memory_pool():
    return _MemoryPool


get_default_pinned_memory_pool = get_default_memory_pool


if _os.environ.get("STAND_IN_PYTORCH") == "1":
    from cupy import _pytorch

    _pytorch.show_gpu()
