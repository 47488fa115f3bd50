"""A stand-in for CuPy on machines without a GPU: strict about what CuPy refuses, and counting.

``import cupy`` finds it where ``tests/stand_in`` comes first in PYTHONPATH. See the README there.
"""

import functools as _functools
import os as _os
import sys as _sys

import numpy as _np

from cupy import cuda, linalg, random
from cupy._array import array_of as _array_of
from cupy._array import as_real as _as_real
from cupy._array import check_dtype as _check_dtype
from cupy._array import host as _host
from cupy._array import launch as _launch
from cupy._array import matmul, ndarray, ufunc
from cupy._array import reduction as _reduction
from cupy._array import wrap as _wrap
from cupy._counts import counts as _counts
from cupy._counts import fill as _fill
from cupy._kernels import ElementwiseKernel, ReductionKernel

__version__ = _os.environ.get("STAND_IN_VERSION", "14.0.0")
__all__ = ["ElementwiseKernel", "ReductionKernel", "cuda", "linalg", "random"]


def _made(name):
    def make(*args, **kwargs):
        result = getattr(_np, name)(*args, **kwargs)
        _counts.launch(name, result, n={"arange": 1, "eye": 2, "linspace": 3}[name])
        return _wrap(result)

    return make


def _viewed(name):
    return lambda a, *args, **kwargs: a._view(getattr(_np, name)(_array_of(a), *args, **kwargs))


def _of_method(name):
    return _as_real(f"cupy.{name}", lambda a, *args, **kwargs: getattr(a, name)(*args, **kwargs))


for _names, _make in {
    (
        "absolute add bitwise_and bitwise_or bitwise_xor copysign divide equal exp floor floor_divide "
        "greater greater_equal invert isfinite isinf isnan less less_equal log logical_and logical_not "
        "logical_or maximum minimum multiply negative not_equal power reciprocal remainder sign sqrt square "
        "subtract tanh true_divide"
    ): ufunc,
    "bool_ float16 float32 float64 int8 int16 int32 int64 uint8 uint32 uint64 newaxis": _np.__getattribute__,
    "all amax amin max mean min std sum": lambda name: _as_real(f"cupy.{name}", _reduction(name)),
    "arange eye linspace": lambda name: _as_real(f"cupy.{name}", _made(name)),
    "broadcast_to expand_dims moveaxis rollaxis": _viewed,
    "ravel repeat reshape squeeze swapaxes transpose": _of_method,
}.items():
    for _name in _names.split():
        globals()[_name] = _make(_name)
dot = matmul


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


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    return _wrap(_fill(_np.empty_like(_array_of(prototype), dtype, order, shape=shape)))


def full(shape, fill_value, dtype=None, order="C"):
    result = ndarray(shape, _np.asarray(fill_value).dtype if dtype is None else dtype, order=order)
    result.fill(fill_value)
    return result


def full_like(a, fill_value, dtype=None, order="K", subok=None, shape=None):
    result = empty_like(a, dtype, order, subok, shape)
    result.fill(fill_value)
    return result


def _filled(value):
    def fill(shape, dtype=float, order="C"):
        return full(shape, value, dtype, order)

    def fill_like(a, dtype=None, order="K", subok=None, shape=None):
        return full_like(a, value, dtype, order, subok, shape)

    return fill, fill_like


(zeros, zeros_like), (ones, ones_like) = map(_filled, (0, 1))


def copyto(dst, src, casting="same_kind", where=None):
    target, source = _array_of(dst), _host(src)
    if isinstance(source, _np.ndarray) and not _np.can_cast(source.dtype, target.dtype, casting):
        raise TypeError(f"Cannot cast {source.dtype} to {target.dtype} in {casting} casting mode")
    if _counts.launch("copyto", target, *([source] if isinstance(source, _np.ndarray) else [])):
        _np.copyto(target, source, casting, True if where is None else _host(where))


# Views, joining and picking


def split(ary, indices_or_sections, axis=0):
    return [ary._view(part) for part in _np.split(_array_of(ary), indices_or_sections, axis)]


class lib:
    class stride_tricks:
        @staticmethod
        def as_strided(x, shape=None, strides=None):
            view = _np.lib.stride_tricks.as_strided(_array_of(x), shape, strides)
            last = _np.dot(_np.subtract(view.shape, 1), view.strides)
            if view.size and last + view.itemsize > x.nbytes:
                raise MemoryError("as_strided reaches out of the array")
            return x._view(view)


def concatenate(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    parts = [_array_of(a) for a in tup]
    shape = list(parts[0].shape)
    shape[axis] = int(_np.sum([p.shape[axis] for p in parts]))
    dtype, n = _np.result_type(*(p.dtype for p in parts)), len(parts)
    # One launch for each part, as CuPy does it for up to eight.
    return _launch("concatenate", lambda *p: _np.concatenate(p, axis), parts, out, shape, dtype, n)


def stack(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    return concatenate([_viewed("expand_dims")(a, axis) for a in tup], axis, out)


def where(condition, x=None, y=None):
    ins = [_host(v) for v in (condition, x, y)]
    ones = [_np.ones(1, v.dtype) if isinstance(v, _np.ndarray) else v for v in ins[1:]]
    dtype = _np.where(True, *ones).dtype
    return _launch("where", _np.where, ins, None, _np.broadcast_shapes(*map(_np.shape, ins)), dtype)


def clip(a, a_min, a_max, out=None):
    ins = [_array_of(a), *(None if v is None else _host(v) for v in (a_min, a_max))]
    return _launch("clip", _np.clip, ins, out, ins[0].shape, ins[0].dtype)


# The rest


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get(stream, order, out, blocking) if isinstance(a, ndarray) else _np.asarray(a, order=order)


def from_dlpack(array):
    return _wrap(array.numpy(), array)


def get_array_module(*args):
    return _sys.modules["cupy"] if any(isinstance(a, ndarray) for a in args) else _np


_memories = []


def memoize(for_each_device=False):
    def decorate(function):
        remembered = _functools.cache(function)
        _memories.append(remembered)
        return remembered

    return decorate


def clear_memo():
    for remembered in _memories:
        remembered.cache_clear()


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
