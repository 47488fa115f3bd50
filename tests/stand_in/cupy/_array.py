"""CuPy's arrays: NumPy's behind a wall. Nothing crosses it unless it is asked to."""

import os

import numpy as np

from cupy._counts import counts, empty

SCALARS = bool, int, float, complex, np.generic


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
    """A function of elements, by that of NumPy."""

    def __init__(self, function, name=None, nin=None):
        self._function, self.__name__ = function, name or function.__name__
        self.nin = nin or function.nin
        self.nout = getattr(function, "nout", 1)

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


def reduce(name, a, axis=None, out=None, keepdims=False, **options):
    x = array_of(a)
    options = {key: value for key, value in options.items() if value is not None}
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = {i % x.ndim for i in axes}
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes)
    function = getattr(np, name)
    dtype = function(np.ones((1,) * x.ndim, x.dtype), **options).dtype
    if x.dtype == np.float32 and name in ("sum", "mean", "var", "std"):
        options["dtype"] = np.float64  # a GPU adds up in a tree
    axis = None if axis is None else axis if name.startswith("arg") else tuple(axes)
    n = {"var": 2, "std": 3}.get(name, 1)
    return launch(
        name, lambda x: function(x, axis=axis, keepdims=keepdims, **options), [x], out, shape, dtype, n
    )


def matmul(a, b, out=None):
    x, y = array_of(a), array_of(b)
    dtype = np.promote_types(x.dtype, y.dtype)
    shape = *np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), *x.shape[-2:-1], *y.shape[1:][-1:]
    for part in x, y:
        # cuBLAS takes a transposed matrix as it is, CuPy's products of stacks do not.
        is_ready = part.flags.c_contiguous or (max(x.ndim, y.ndim) <= 2 and part.flags.f_contiguous)
        if not is_ready:
            counts.launch("copy of a factor", part, np.broadcast_to(np.empty(1, dtype), part.shape))
    name = "product of matrices" if max(x.ndim, y.ndim) <= 2 else "product of stacks"
    if dtype == np.float32:  # CuPy asks for TF32 in products of two matrices only
        tf32 = os.environ.get("CUPY_TF32") == "1" and name == "product of matrices"
        counts.modes.add((name, "tf32" if tf32 else "float32"))
    # Through tiles in the cache each factor is read about once, in whatever order.
    ins = [np.lib.stride_tricks.as_strided(p, (p.size,), (p.itemsize,)) if p.size else p for p in (x, y)]
    result = launch(name, lambda *_: np.matmul(x, y), ins, out, shape, dtype)
    return result


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

    dtype = property(lambda self: self._host.dtype)
    shape = property(lambda self: self._host.shape)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    strides = property(lambda self: self._host.strides)
    flags = property(_Flags)
    T = property(lambda self: self.transpose())

    @property
    def device(self):
        from cupy.cuda import Device

        return Device()

    @property
    def data(self):
        from cupy.cuda import MemoryPointer

        return MemoryPointer(self._host.ctypes.data)

    # Between host and device

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Use .get()")

    def __array_ufunc__(self, function, method, *inputs, out=(None,), **kwargs):
        import cupy

        if method != "__call__" or not hasattr(cupy, function.__name__):
            return NotImplemented
        return getattr(cupy, function.__name__)(*inputs, out=out[0], **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        import cupy

        own = getattr(cupy, function.__name__, None)
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

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def tobytes(self, order="C"):
        return self.get().tobytes(order)

    def _scalar(kind):  # noqa: N805
        def convert(self):
            counts.synchronize(kind.__name__)
            return kind(np.ones(1) if counts.only else self._host)

        return convert

    __bool__, __int__, __float__ = map(_scalar, (bool, int, float))
    __index__ = _scalar(int)

    def __repr__(self):
        return repr(self.get())

    def __reduce__(self):
        import cupy

        return cupy.array, (self.get(),)

    def __deepcopy__(self, memo):
        return self.copy()

    def __dlpack_device__(self):
        return 1, 0  # PyTorch takes it for the CPU's, which it is

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return self._host.__dlpack__()

    # Copies and views

    def _view(self, view):
        return wrap(view, self if self.base is None else self.base)

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        dtype, x = check_dtype(dtype), self._host
        if not copy and dtype == x.dtype and (order != "C" or x.flags.c_contiguous):
            return self
        result = np.empty_like(x, dtype, order=order)
        if counts.launch("astype", x, result):
            with np.errstate(all="ignore"):
                result[...] = x
        return wrap(result)

    def copy(self, order="C"):
        result = np.empty_like(self._host, order=order)
        if counts.launch("copy", self._host, result):
            result[...] = self._host
        return wrap(result)

    def view(self, dtype=None):
        return self._view(self._host.view(dtype or self.dtype))

    def reshape(self, *shape, order="C"):
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int | np.integer) else shape
        try:
            return self._view(np.reshape(self._host, shape, order=order, copy=False))
        except ValueError:
            result = np.empty(np.empty(self.shape, "?").reshape(shape).shape, self.dtype)
            if counts.launch("copy", self._host, result):
                result[...] = self._host.reshape(shape, order=order)
            return wrap(result)

    def reduced_view(self, dtype=None):
        return self.reshape(-1) if self._host.flags.c_contiguous else self

    def ravel(self, order="C"):
        return self.reshape(-1, order=order)

    def flatten(self, order="C"):
        return self.copy().reshape(-1)

    def transpose(self, *axes):
        return self._view(self._host.transpose(*axes))

    def swapaxes(self, axis1, axis2):
        return self._view(self._host.swapaxes(axis1, axis2))

    def squeeze(self, axis=None):
        return self._view(self._host.squeeze(axis))

    def diagonal(self, offset=0, axis1=0, axis2=1):
        return self._view(self._host.diagonal(offset, axis1, axis2))

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
        if not is_advanced:
            return self._view(self._host[index])
        result = np.ascontiguousarray(self._host[index])
        counts.launch("take", result, result)
        return wrap(result)

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
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def take(self, indices, axis=None, out=None):
        index = host(indices) if not isinstance(indices, np.ndarray | list) else np.asarray(indices)
        result = np.take(self._host, index, axis)
        counts.launch("take", result, result)
        return wrap(result)

    def repeat(self, repeats, axis=None):
        result = np.repeat(self._host, repeats, axis)
        counts.launch("repeat", self._host, result)
        return wrap(result)

    def clip(self, min=None, max=None, out=None):
        import cupy

        return cupy.clip(self, min, max, out)

    def dot(self, b, out=None):
        return matmul(self, b, out)

    def sum(self, axis=None, dtype=None, out=None, keepdims=False):
        return reduce("sum", self, axis, out, keepdims, dtype=dtype)

    def mean(self, axis=None, dtype=None, out=None, keepdims=False):
        return reduce("mean", self, axis, out, keepdims, dtype=dtype)

    def var(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
        return reduce("var", self, axis, out, keepdims, dtype=dtype, ddof=ddof)

    def std(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
        return reduce("std", self, axis, out, keepdims, dtype=dtype, ddof=ddof)

    def max(self, axis=None, out=None, keepdims=False):
        return reduce("max", self, axis, out, keepdims)

    def min(self, axis=None, out=None, keepdims=False):
        return reduce("min", self, axis, out, keepdims)

    def all(self, axis=None, out=None, keepdims=False):
        return reduce("all", self, axis, out, keepdims)

    def any(self, axis=None, out=None, keepdims=False):
        return reduce("any", self, axis, out, keepdims)

    def argmax(self, axis=None, out=None, dtype=None, keepdims=False):
        return reduce("argmax", self, axis, out, keepdims)

    def __matmul__(self, other):
        return matmul(self, other)

    def __rmatmul__(self, other):
        return matmul(other, self)


_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}  # fmt: skip
_COMPARISONS = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
    "eq": "equal", "ne": "not_equal",
}  # fmt: skip
_UNARY = {"neg": "negative", "abs": "absolute", "invert": "invert", "pos": "positive"}


def _add_operators():
    def defers(other):  # to Chainer's Variable, which knows what to do
        return not isinstance(other, ndarray) and getattr(other, "__array_priority__", 0) > 100

    def binary(function):
        def forward(self, other):
            return NotImplemented if defers(other) else function(self, other)

        def reflected(self, other):
            return NotImplemented if defers(other) else function(other, self)

        def in_place(self, other):
            return NotImplemented if defers(other) else function(self, other, out=self)

        return forward, reflected, in_place

    for name, of_numpy in _OPERATORS.items():
        for prefix, method in zip(("", "r", "i"), binary(ufunc(getattr(np, of_numpy)))):
            setattr(ndarray, f"__{prefix}{name}__", method)
    for name, of_numpy in _COMPARISONS.items():
        setattr(ndarray, f"__{name}__", binary(ufunc(getattr(np, of_numpy)))[0])
    for name, of_numpy in _UNARY.items():
        function = ufunc(getattr(np, of_numpy))
        setattr(ndarray, f"__{name}__", lambda self, function=function: function(self))


_add_operators()
