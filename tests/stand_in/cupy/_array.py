"""CuPy's arrays: NumPy's behind a wall. Nothing crosses it unless it is asked to."""

import functools
import operator
import os
import pathlib

import numpy as np

from cupy._counts import counts, empty

SCALARS = bool, int, float, complex, np.generic
NAMES = (pathlib.Path(__file__).parents[1] / "names.txt").read_text()
PARAMETERS = {name: known for name, *known in map(str.split, NAMES.splitlines())}


def as_real(name, function):
    """Let a function have only those named arguments that CuPy's has, which names.txt tells."""

    known = PARAMETERS[name]

    def call(*args, **kwargs):
        if not ("kwarg" in known or kwargs.keys() <= set(known)):
            raise TypeError(f"{name} takes {known}, not {list(kwargs)}")
        return function(*args, **kwargs)

    return call


def wrap(host, owner=None):
    """Make an array of the device of one of NumPy, without a copy; ``owner`` if it is a view."""
    array = object.__new__(ndarray)
    array._host, array.base = np.asarray(host), owner
    return array


def host(x):
    """Return what a kernel gets for an argument."""
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, SCALARS):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def array_of(x):
    if not isinstance(x, ndarray):
        raise TypeError(f"Argument has incorrect type (expected cupy.ndarray, got {type(x).__name__})")
    return x._host


def check_dtype(dtype):
    dtype = np.dtype(dtype)
    if dtype.kind not in "biufc" or dtype.char in "gG" or not dtype.isnative:
        raise ValueError(f"Unsupported dtype {dtype}")
    return dtype


def launch(name, function, ins, out=None, shape=None, dtype=None, n=1):
    """Count a kernel, and unless only counts are wanted let a NumPy function compute what it writes.

    The result is C-contiguous, as CuPy's, in whatever order the operands are.
    """
    arrays = [x for x in ins if isinstance(x, np.ndarray)]
    result = empty(shape, dtype) if out is None else array_of(out)
    if result.shape != tuple(shape):
        raise ValueError(f"Out shape is mismatched: {result.shape}, {shape}")
    if counts.launch(name, *arrays, result, n=n):
        with np.errstate(all="ignore"):
            result[...] = function(*ins)
    return wrap(result) if out is None else out


class ufunc:
    """A function of elements, by NumPy's of that name."""

    def __init__(self, name):
        self._function, self.__name__ = getattr(np, name), name
        self.nin, self.nout = self._function.nin, self._function.nout

    def __call__(self, *args, out=None, dtype=None, casting="same_kind"):
        if len(args) == self.nin + 1 and out is None:
            *args, out = args
        if len(args) != self.nin:
            raise TypeError(f"Wrong number of arguments for {self.__name__}: {len(args)}")
        if isinstance(out, tuple):
            (out,) = out
        ins = [host(x) for x in args]
        options = {} if dtype is None else {"dtype": dtype}
        probe = self._of_ones(ins, options)
        if any(isinstance(x, np.generic) for x in ins):
            # CuPy 13 lets the array decide, CuPy 14 the wider type. We depend on neither.
            weak = [x.item() if isinstance(x, np.generic) else x for x in ins]
            if any(isinstance(x, np.ndarray) for x in ins) and self._of_ones(weak, options) != probe:
                raise TypeError(f"{self.__name__}: the result's dtype depends on CuPy's version")
        if out is not None and not np.can_cast(probe, array_of(out).dtype, casting):
            raise TypeError(f"output {probe} could not be coerced to {out.dtype}")
        shape = np.broadcast_shapes(*map(np.shape, ins))
        return launch(self.__name__, lambda *a: self._function(*a, **options), ins, out, shape, probe)

    def _of_ones(self, ins, options):
        ones = [np.ones(1, x.dtype) if isinstance(x, np.ndarray) else x for x in ins]
        with np.errstate(all="ignore"):
            return np.asarray(self._function(*ones, **options)).dtype


def reduction(name):
    """Return a function that reduces axes as NumPy's of that name."""
    function = getattr(np, name)

    def reduce(a, axis=None, dtype=None, out=None, keepdims=False, **ddof):
        x, options = array_of(a), ddof if dtype is None else {"dtype": dtype, **ddof}
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        axes = {i % x.ndim for i in axes}
        shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes)
        dtype = function(np.ones((1,) * x.ndim, x.dtype), **options).dtype
        if x.dtype == np.float32 and name in ("sum", "mean", "var", "std"):
            options["dtype"] = np.float64  # a GPU adds up in a tree
        options["axis"] = None if axis is None else axis if name == "argmax" else tuple(axes)
        n = {"var": 2, "std": 3}.get(name, 1)
        return launch(name, lambda x: function(x, keepdims=keepdims, **options), [x], out, shape, dtype, n)

    return reduce


def matmul(a, b, out=None):
    x, y = array_of(a), array_of(b)
    dtype = np.promote_types(x.dtype, y.dtype)
    shape = *np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), *x.shape[-2:-1], *y.shape[1:][-1:]
    is_single = max(x.ndim, y.ndim) <= 2
    for part in x, y:
        # cuBLAS takes a transposed matrix as it is, CuPy's products of stacks do not.
        if not (part.flags.c_contiguous or (is_single and part.flags.f_contiguous)):
            counts.launch("copy of a factor", part, np.broadcast_to(np.empty(1, dtype), part.shape))
    name = "product of matrices" if is_single else "product of stacks"
    if dtype == np.float32:  # CuPy asks for TF32 in products of two matrices only
        counts.modes.add((name, "tf32" if is_single and os.environ.get("CUPY_TF32") == "1" else "float32"))
    # Through tiles in the cache each factor is read about once, in whatever order.
    ins = [np.lib.stride_tricks.as_strided(p, (p.size,), (p.itemsize,)) if p.size else p for p in (x, y)]
    return launch(name, lambda *_: np.matmul(x, y), ins, out, shape, dtype)


class _Flags:
    def __init__(self, array):
        flags = array._host.flags
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.forc, self.owndata = flags.forc, array.base is None

    def __getitem__(self, name):
        return getattr(self, name.lower())


class ndarray:
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        self._host, self.base = empty(shape, check_dtype(dtype), order or "C"), None

    flags = property(_Flags)
    device = property(lambda self: _cupy().cuda.Device())
    data = property(lambda self: _cupy().cuda.MemoryPointer(ptr=self._host.ctypes.data))
    T = property(lambda self: self.transpose())

    # Between host and device

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Use .get()")

    def __array_ufunc__(self, function, method, *inputs, out=(None,), **kwargs):
        own = getattr(_cupy(), function.__name__, None)
        return NotImplemented if method != "__call__" or own is None else own(*inputs, out=out[0], **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        own = getattr(_cupy(), function.__name__, None)
        return NotImplemented if own is None else own(*args, **kwargs)

    def get(self, stream=None, order="C", out=None, blocking=True):
        if blocking:
            counts.synchronize("get")
        if not self._host.flags.forc:
            counts.launch("copy", self._host, self._host)
        if out is None:
            return np.zeros(self.shape, self.dtype) if counts.only else np.array(self._host, order=order)
        out[...] = self._host
        return out

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray) or (arr.dtype, arr.shape) != (self.dtype, self.shape):
            raise TypeError(f"{type(arr)} cannot be set")
        counts.synchronize("set")
        counts.sent.append(arr.nbytes)
        self._host[...] = arr

    def __repr__(self):
        return repr(self.get())

    def __reduce__(self):
        return _cupy().array, (self.get(),)

    def __deepcopy__(self, memo):
        return self.copy()

    def __dlpack_device__(self):
        return 1, 0  # PyTorch takes it for the CPU's, which it is

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return self._host.__dlpack__()

    # Copies and views

    def _view(self, view):
        return wrap(view, self if self.base is None else self.base)

    def _copied(self, name, result):
        """Fill an array of NumPy with the elements of this one, in C order."""
        if counts.launch(name, self._host, result):
            with np.errstate(all="ignore"):
                result[...] = self._host.reshape(result.shape)
        return wrap(result)

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        dtype, x = check_dtype(dtype), self._host
        if not copy and dtype == x.dtype and (order != "C" or x.flags.c_contiguous):
            return self
        return self._copied("astype", np.empty_like(x, dtype, order=order))

    def copy(self, order="C"):
        return self._copied("copy", np.empty_like(self._host, order=order))

    def reshape(self, *shape, order="C"):
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int | np.integer) else shape
        try:
            return self._view(np.reshape(self._host, shape, order=order, copy=False))
        except ValueError:
            return self._copied("copy", np.empty(np.empty(self.shape, "?").reshape(shape).shape, self.dtype))

    def ravel(self, order="C"):
        return self.reshape(-1, order=order)

    def reduced_view(self, dtype=None):
        return self.reshape(-1) if self._host.flags.c_contiguous else self

    def fill(self, value):
        if counts.launch("fill", self._host):
            self._host.fill(host(value))

    def _index(self, index):
        """Return NumPy's index, and whether elements are picked by an array."""
        is_advanced, parts = False, []
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, ndarray):
                is_advanced = True
                if part.dtype == bool:
                    counts.synchronize("mask")  # the result's size depends on it
                part = part._host
            elif isinstance(part, list | np.ndarray | bool | np.bool_):
                is_advanced, part = True, np.asarray(part)
                counts.sent.append(part.nbytes)
            parts.append(part)
        if not any(part is ... for part in parts):
            parts.append(...)  # so that an element is an array of no axes
        return tuple(parts), is_advanced

    def __getitem__(self, index):
        index, is_advanced = self._index(index)
        return _taken(self._host[index]) if is_advanced else self._view(self._host[index])

    def __setitem__(self, index, value):
        index, _ = self._index(index)
        value, target = host(value), self._host[index]
        if isinstance(value, np.ndarray):
            layout = "data", "shape", "strides", "typestr"
            if all(target.__array_interface__[k] == value.__array_interface__[k] for k in layout):
                return  # the end of x[i] += y
        if counts.launch("setitem", target, *([value] if isinstance(value, np.ndarray) else [])):
            with np.errstate(all="ignore"):
                self._host[index] = value

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def take(self, indices, axis=None, out=None):
        return _taken(np.take(self._host, host(indices), axis))

    def repeat(self, repeats, axis=None):
        return _taken(np.repeat(self._host, repeats, axis))

    def clip(self, min=None, max=None, out=None):
        return _cupy().clip(self, min, max, out)

    def dot(self, b, out=None):
        return matmul(self, b, out)


def _cupy():
    import cupy

    return cupy


def _taken(result):
    """Wrap what was picked out of an array, whose elements are read one by one."""
    result = np.ascontiguousarray(result)
    counts.launch("take", result, result)
    return wrap(result)


def _of_host(name, is_view):
    def method(self, *args, **kwargs):
        if is_view:
            return self._view(getattr(self._host, name)(*args, **kwargs))
        return getattr(self.get(), name)(*args, **kwargs)

    return as_real(f"cupy.ndarray.{name}", method)


def _operator(function, prefix):
    def operate(self, other):
        if not isinstance(other, ndarray) and getattr(other, "__array_priority__", 0) > 100:
            return NotImplemented  # Chainer's Variable knows what to do
        first, second = (other, self) if prefix == "r" else (self, other)
        return function(first, second, out=self if prefix == "i" else None)

    return operate


def _scalar(kind):
    def convert(self):
        counts.synchronize(kind.__name__)
        return kind(np.ones(1) if counts.only else self._host)

    return convert


_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
    "ne": "not_equal",
}  # fmt: skip
for _name in "dtype shape ndim size itemsize nbytes strides".split():
    setattr(ndarray, _name, property(operator.attrgetter(f"_host.{_name}")))
for _name in "squeeze swapaxes transpose view".split():
    setattr(ndarray, _name, _of_host(_name, is_view=True))
for _name in "item tobytes tolist".split():
    setattr(ndarray, _name, _of_host(_name, is_view=False))
for _name in "all any argmax max mean min std sum var".split():
    setattr(ndarray, _name, as_real(f"cupy.ndarray.{_name}", reduction(_name)))
for _kind in bool, int, float:
    setattr(ndarray, f"__{_kind.__name__}__", _scalar(_kind))
for _short, _long in _OPERATORS.items():
    for _prefix in "", "r", "i":
        setattr(ndarray, f"__{_prefix}{_short}__", _operator(ufunc(_long), _prefix))
for _short, _long in {"neg": "negative", "abs": "absolute", "invert": "invert"}.items():
    setattr(ndarray, f"__{_short}__", functools.partialmethod(ufunc(_long)))
ndarray.__matmul__ = matmul
ndarray.__index__ = ndarray.__int__
