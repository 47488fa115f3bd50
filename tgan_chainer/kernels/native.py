"""The compiled kernels for a CPU: convolutions, batch normalization, leaky ReLU, tanh and RMSprop in C++.

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
_ARGUMENTS = {
    "tgan_filter": [_int, _array, *[_array] * 4, _int],
    "tgan_normalize": [_long, _long, *[_array] * 6, _float, _float, _bool, _int],
    "tgan_normalize_backward": [_long, _long, *[_array] * 9, _float, _float, _bool, _int],
    "tgan_statistics": [_long, _long, *[_array] * 3, _int],
    "tgan_normalize_backward_of_part": [_long, _long, *[_array] * 9, _float, _float, ctypes.c_double, _int],
    "tgan_leaky_relu": [_long, *[_array] * 3, _float, _int],
    "tgan_tanh": [_long, *[_array] * 2, _int],
    "tgan_tanh_backward": [_long, *[_array] * 3, _int],
    "tgan_rmsprop": [_long, *[_array] * 4, _float, _float, _float, _int],
}


def description():
    """Return which kernels compute on a CPU, such as "compiled, AVX2", or "NumPy" and why."""
    library, reason = _load()
    if library is None:
        return f"NumPy ({reason})"
    return f"compiled, {_NAMES[library.tgan_target().decode()]}"


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
    _call("tgan_filter", operation, _geometry(n, *W_shape[1::-1], *axes), first, second, b, to)


@functools.lru_cache(1024)
def _geometry(n, n_large, n_small, large, small, kernel, stride, pad, whole_kernel, first_tap):
    def of_three_axes(values, of_missing):
        return (of_missing,) * (3 - len(values)) + values

    lengths = [of_three_axes(values, 1) for values in (large, small, kernel, stride)]
    rest = of_three_axes(pad, 0), of_three_axes(whole_kernel, 1), of_three_axes(first_tap, 0)
    return (ctypes.c_long * 24)(n, n_large, n_small, *sum((*lengths, *rest), ()))


def normalize(x, gamma, beta, mean, var, eps, slope, is_fixed):
    """Normalize x (C, ...) and apply leaky ReLU, see :mod:`tgan_chainer.functions.batch_normalization`.

    gamma, beta (or None), mean and var are arrays (C,); unless ``is_fixed``, the latter two are overwritten
    with the batch's. Returns an array like x.
    """
    y = np.empty_like(x)
    arrays = x, gamma, beta, mean, var, y
    _call("tgan_normalize", len(x), x.size // len(x), *arrays, eps, slope, is_fixed)
    return y


def normalize_backward(x, gy, gamma, beta, mean, var, eps, slope, is_fixed, needs_gx):
    """Return the gradients of x (None unless ``needs_gx``), gamma and beta from that of the output, gy."""
    gx, ggamma, gbeta = np.empty_like(x) if needs_gx else None, np.empty_like(gamma), np.empty_like(gamma)
    arrays = x, gamma, beta, mean, var, gy, gx, ggamma, gbeta
    _call("tgan_normalize_backward", len(x), x.size // len(x), *arrays, eps, slope, is_fixed)
    return gx, ggamma, gbeta


def statistics(x):
    """Return mean and variance of each row of x (C, ...), as :func:`normalize` finds them."""
    mean, var = np.empty(len(x), np.float32), np.empty(len(x), np.float32)
    _call("tgan_statistics", len(x), x.size // len(x), x, mean, var)
    return mean, var


def normalize_backward_of_part(x, gy, gamma, beta, mean, var, eps, slope, ggamma, gbeta, count):
    """Return the gradient of x, a part of a batch of ``count`` elements a row.

    The gradients of gamma and beta, the mean and the variance are those of the whole batch.
    """
    gx = np.empty_like(x)
    arrays = x, gamma, beta, mean, var, gy, gx, ggamma, gbeta
    _call("tgan_normalize_backward_of_part", len(x), x.size // len(x), *arrays, eps, slope, count)
    return gx


def leaky_relu(x, other, slope):
    """Return ``other`` where x > 0, else ``slope * other``; all three arrays lie alike in memory."""
    y = np.empty_like(x)
    _call("tgan_leaky_relu", x.size, x, other, y, slope)
    return y


def tanh(x):
    y = np.empty_like(x)
    _call("tgan_tanh", x.size, x, y)
    return y


def tanh_backward(y, gy):
    """Return the gradient of the input from the output and its gradient, which lie alike in memory."""
    gx = np.empty_like(y)
    _call("tgan_tanh_backward", y.size, y, gy, gx)
    return gx


def update_by_rmsprop(values, squares, gradients, learning_rate, alpha, eps):
    """Update the lists of arrays ``values`` and ``squares``, the mean squares of the gradients, in place.

    All are float32, contiguous and aligned.
    """
    sizes = (ctypes.c_long * len(values))(*(array.size for array in values))
    pointers = [
        (ctypes.c_void_p * len(values))(*map(_address, arrays)) for arrays in (values, squares, gradients)
    ]
    _call("tgan_rmsprop", len(values), sizes, *pointers, learning_rate, alpha, eps)


def _call(name, *arguments):
    arguments = [_ready(a) if isinstance(a, np.ndarray) else a for a in arguments]
    addresses = [_address(a) if isinstance(a, np.ndarray) else a for a in arguments]
    if not getattr(_load()[0], name)(*addresses, thread_count()):
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
    """Return the library and None, or None and why it is not there."""
    chosen = os.environ.get("TGAN_CHAINER_KERNELS", "")
    if chosen == "numpy":
        return None, "TGAN_CHAINER_KERNELS=numpy"
    if not _LIBRARY.exists():
        return None, "no compiled kernels: with a C++ compiler, install tgan_chainer again"
    try:
        library = ctypes.CDLL(str(_LIBRARY))
        for name, types in _ARGUMENTS.items():
            getattr(library, name).argtypes = types
            getattr(library, name).restype = ctypes.c_bool
        library.tgan_choose_target.restype = ctypes.c_bool
        library.tgan_target.restype = library.tgan_sources.restype = ctypes.c_char_p
    except (OSError, AttributeError) as error:
        return None, f"the compiled kernels do not load: {error}"
    sources = sorted(_SOURCES.glob("*.?pp"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    if sources and library.tgan_sources().decode() != digest:
        return None, "the compiled kernels are older than their sources: install tgan_chainer again"
    if chosen and not library.tgan_choose_target(chosen.encode()):
        return None, f"TGAN_CHAINER_KERNELS={chosen}, which is not there or does not run on this processor"
    return library, None
