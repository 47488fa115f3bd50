"""The compiled kernels for a CPU: what networks compute and RMSprop, in C++.

``native/`` has their sources, of which ``filtering.hpp`` tells how they convolve. setup.py builds them where
there is a compiler; where there is none, or with ``TGAN_CHAINER_KERNELS=numpy`` in the environment, NumPy
computes. (With ``baseline``, ``avx2`` or ``avx512`` there they use these instructions, else AVX2 where the
processor has it. AVX-512 has not run on any processor yet.) They take float32 arrays, which they read as
(C, *axes, N), use as many threads as :func:`tgan_chainer.parallel.thread_count` says, and give the same bits
for any number of them.
"""

import ctypes
import functools
import hashlib
import math
import os
import pathlib
import sysconfig

import numpy as np

from tgan_chainer.kernels.layout import batch_first, batch_last
from tgan_chainer.parallel import thread_count

_SOURCES = pathlib.Path(__file__).with_suffix("")
_LIBRARY = pathlib.Path(__file__).with_name("_native" + (sysconfig.get_config_var("EXT_SUFFIX") or ".so"))
_NAMES = {"baseline": "the baseline of this architecture", "avx2": "AVX2", "avx512": "AVX-512"}

_int, _long, _float, _bool = ctypes.c_int, ctypes.c_long, ctypes.c_float, ctypes.c_bool
_array = ctypes.c_void_p


class _Normalization(ctypes.Structure):
    _fields_ = [
        *((name, _long) for name in ("channels", "batches", "length", "run")),
        *((name, _array) for name in ("gamma", "beta", "mean", "var")),
        *(("eps", _float), ("slope", _float), ("threads", _int), ("is_fixed", _bool)),
    ]


def _function(*types):
    return ctypes.CFUNCTYPE(_bool, *types)


_of = ctypes.POINTER(_Normalization)


class _Target(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("filter", _function(_int, _array, *[_array] * 4, _int)),
        ("normalize", _function(_of, *[_array] * 2)),
        ("find_statistics", _function(_of, _array)),
        ("normalize_backward", _function(_of, *[_array] * 5)),
        ("normalize_backward_of_part", _function(_of, *[_array] * 5, ctypes.c_double)),
        ("leaky_relu", _function(_long, *[_array] * 3, _float, _int)),
        ("tanh", _function(_long, *[_array] * 2, _int)),
        ("tanh_backward", _function(_long, *[_array] * 3, _int)),
        ("pool", _function(_long, _long, _long, *[_array] * 2, _int)),
        ("rmsprop", _function(_long, *[_array] * 4, _float, _float, _float, _int)),
    ]


def description():
    """Return which kernels compute on a CPU, such as "compiled, AVX2", or "NumPy" and why."""
    target, reason = _load()
    if target is None:
        return f"NumPy ({reason})"
    return f"compiled, {_NAMES[target.name.decode()]}"


def computes(x):
    """Say whether these kernels are there, and take the array (or variable) x."""
    array = getattr(x, "array", x)
    return isinstance(array, np.ndarray) and array.dtype == np.float32 and _load()[0] is not None


def convolve(x, W, grid, b=None):
    y = np.empty((len(W), *grid.small, len(x)), np.float32)
    _filter(0, grid, W.shape, batch_last(x), W, b, y)
    return batch_first(y)


def deconvolve(y, W, grid, b=None):
    x = np.empty((W.shape[1], *grid.large, len(y)), np.float32)
    _filter(1, grid, W.shape, batch_last(y), W, b, x)
    return batch_first(x)


def kernel_gradient(x, y, grid):
    gW = np.empty((y.shape[1], x.shape[1], *grid.whole_kernel), np.float32)
    _filter(2, grid, gW.shape, batch_last(x), batch_last(y), None, gW)
    return gW


def _filter(operation, grid, W_shape, first, second, b, to):
    if first.size == 0 or second.size == 0:
        to[...] = 0
        return
    first_tap = tuple(used.start for used in grid.used)
    axes = grid.large, grid.small, grid.kernel, grid.stride, grid.pad, grid.whole_kernel, first_tap
    n = to.shape[-1] if operation < 2 else first.shape[-1]
    _call("filter", operation, _geometry(n, *W_shape[1::-1], *axes), first, second, b, to, thread_count())


@functools.lru_cache(1024)
def _geometry(n, n_large, n_small, large, small, kernel, stride, pad, whole_kernel, first_tap):
    def of_three_axes(values, of_missing):
        return (of_missing,) * (3 - len(values)) + values

    lengths = [of_three_axes(values, 1) for values in (large, small, kernel, stride)]
    rest = of_three_axes(pad, 0), of_three_axes(whole_kernel, 1), of_three_axes(first_tap, 0)
    return (ctypes.c_long * 24)(n, n_large, n_small, *sum((*lengths, *rest), ()))


def normalize(x, gamma, beta, mean, var, eps, slope, is_fixed, run=1):
    """Normalize x (C, ...) and apply leaky ReLU, see :mod:`tgan_chainer.functions.batch_normalization`.

    gamma and beta (or None) are arrays (C,), mean and var too, or (n, C) if x holds n batches that take turns
    in memory, ``run`` elements of each. Unless ``is_fixed``, mean and var are overwritten with the batches'.
    Returns an array like x.
    """
    y = np.empty_like(x)
    _normalize("normalize", (gamma, beta, mean, var, eps, slope, is_fixed, run), x, y)
    return y


def find_statistics(x, n_batches=1, run=1):
    """Return mean and variance, arrays (C,) or for several batches (n_batches, C), as :func:`normalize`."""
    shape = (len(x),) if n_batches == 1 else (n_batches, len(x))
    mean, var = np.empty(shape, np.float32), np.empty(shape, np.float32)
    _normalize("find_statistics", (None, None, mean, var, 0, 0, False, run), x)
    return mean, var


def normalize_backward(x, gy, gamma, beta, mean, var, eps, slope, is_fixed, run=1, needs_gx=True):
    """Return the gradients of x (None unless ``needs_gx``), gamma and beta from that of the output, gy.

    Those of gamma and beta have the shape of mean and var, to be added up over the batches.
    """
    gx, ggamma, gbeta = np.empty_like(x) if needs_gx else None, np.empty_like(mean), np.empty_like(mean)
    parameters = gamma, beta, mean, var, eps, slope, is_fixed, run
    _normalize("normalize_backward", parameters, x, gy, gx, ggamma, gbeta)
    return gx, ggamma, gbeta


def normalize_backward_of_part(x, gy, gamma, beta, mean, var, eps, slope, run, ggamma, gbeta, count):
    """Return the gradient of x, a part of batches of ``count`` elements a channel.

    The gradients of gamma and beta, the mean and the variance are those of the whole batches.
    """
    gx = np.empty_like(x)
    parameters = gamma, beta, mean, var, eps, slope, False, run
    _normalize("normalize_backward_of_part", parameters, x, gy, gx, ggamma, gbeta, count)
    return gx


def _normalize(name, parameters, x, *arguments):
    *arrays, eps, slope, is_fixed, run = parameters
    arrays = [a if a is None else _ready(a) for a in arrays]
    mean = arrays[2]
    sizes = len(x), mean.size // len(x), x.size // mean.size, run
    addresses = (a if a is None else _address(a) for a in arrays)
    normalization = _Normalization(*sizes, *addresses, eps, slope, thread_count(), is_fixed)
    _call(name, normalization, x, *arguments)


def leaky_relu(x, other, slope):
    """Return ``other`` where x > 0, else ``slope * other``; all three arrays lie alike in memory."""
    y = np.empty_like(x)
    _call("leaky_relu", x.size, x, other, y, slope, thread_count())
    return y


def tanh(x):
    y = np.empty_like(x)
    _call("tanh", x.size, x, y, thread_count())
    return y


def tanh_backward(y, gy):
    """Return the gradient of the input from the output and its gradient, which lie alike in memory."""
    gx = np.empty_like(y)
    _call("tanh_backward", y.size, y, gy, gx, thread_count())
    return gx


def pool(x, axis):
    """Return x, its ``axis`` halved, rounding up: the larger of each two neighbours."""
    before, length, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    y = np.empty((*before, -(-length // 2), *after), np.float32)
    _call("pool", math.prod(before), length, math.prod(after), x, y, thread_count())
    return y


def update_by_rmsprop(values, squares, gradients, learning_rate, alpha, eps):
    """Update the lists of arrays ``values`` and ``squares``, the mean squares of the gradients, in place.

    All are float32, contiguous and aligned.
    """
    sizes = (ctypes.c_long * len(values))(*(array.size for array in values))
    pointers = [
        (ctypes.c_void_p * len(values))(*map(_address, arrays)) for arrays in (values, squares, gradients)
    ]
    _call("rmsprop", len(values), sizes, *pointers, learning_rate, alpha, eps, thread_count())


def _call(name, *arguments):
    arguments = [_ready(a) if isinstance(a, np.ndarray) else a for a in arguments]
    addresses = [_address(a) if isinstance(a, np.ndarray) else a for a in arguments]
    if not getattr(_load()[0], name)(*addresses):
        raise MemoryError(f"{name} needs more memory than there is")


def _ready(array):
    """Copy an input that does not lie in memory as it must; results do."""
    if array.flags.c_contiguous and array.flags.aligned and array.dtype == np.float32:
        return array
    return np.require(array, np.float32, ["C", "A"])


def _address(array):
    if array.size and array.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # in a fifth of the time of the other way
    return array.__array_interface__["data"][0]


@functools.cache
def _load():
    """Return the target in use and None, or None and why there is none."""
    chosen = os.environ.get("TGAN_CHAINER_KERNELS", "")
    if chosen == "numpy":
        return None, "TGAN_CHAINER_KERNELS=numpy"
    if not _LIBRARY.exists():
        return None, "no compiled kernels: with a C++ compiler, install tgan_chainer again"
    try:
        library = ctypes.CDLL(str(_LIBRARY))
        library.tgan_sources.restype = ctypes.c_char_p
        library.tgan_target.argtypes, library.tgan_target.restype = [ctypes.c_char_p], ctypes.POINTER(_Target)
    except (OSError, AttributeError) as error:
        return None, f"the compiled kernels do not load: {error}"
    sources = sorted(_SOURCES.glob("*.?pp"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    if sources and library.tgan_sources().decode() != digest:
        return None, "the compiled kernels are older than their sources: install tgan_chainer again"
    target = library.tgan_target(chosen.encode() or None)
    if not target:
        return None, f"TGAN_CHAINER_KERNELS={chosen}, which is not there or does not run on this processor"
    return target.contents, None
