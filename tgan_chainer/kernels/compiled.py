"""The library of compiled kernels for a CPU, and how its functions are called.

``native/`` has its sources. setup.py builds it where there is a compiler; where there is none, or with
``TGAN_CHAINER_KERNELS=numpy`` in the environment, NumPy computes. With ``baseline``, ``avx2`` or ``avx512``
in that variable the library uses these instructions, else AVX2 where the processor has it; AVX-512 has not
run on any processor yet. It uses as many threads as :func:`tgan_chainer.parallel.thread_count` says, where
there is work for so many.
"""

import ctypes
import functools
import hashlib
import os
import pathlib
import sysconfig

import numpy as np

from tgan_chainer.parallel import thread_count

# A pass over so many elements takes as long as a thread's start and end.
ELEMENTS_OF_THREAD = 1 << 18
_SOURCES = pathlib.Path(__file__).with_name("native")
_LIBRARY = pathlib.Path(__file__).with_name("_native" + (sysconfig.get_config_var("EXT_SUFFIX") or ".so"))
_NAMES = {"baseline": "the baseline of this architecture", "avx2": "AVX2", "avx512": "AVX-512"}

_int, _long, _float, _bool = ctypes.c_int, ctypes.c_long, ctypes.c_float, ctypes.c_bool
_array = ctypes.c_void_p


class Normalization(ctypes.Structure):
    _fields_ = [
        *((name, _long) for name in ("channels", "batches", "length", "run")),
        *((name, _array) for name in ("gamma", "beta", "mean", "var")),
        *(("eps", _float), ("slope", _float), ("threads", _int), ("is_fixed", _bool)),
    ]


def _function(*types):
    return ctypes.CFUNCTYPE(_bool, *types)


_of = ctypes.POINTER(Normalization)


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
        ("copy", _function(_array, *[_array] * 2, _int)),
        ("pool", _function(_long, _long, _long, *[_array] * 2, _int)),
        ("rmsprop", _function(_long, *[_array] * 4, _float, _float, _float, _int)),
    ]


def description():
    """Return which kernels compute on a CPU, such as "compiled, AVX2", or "NumPy" and why."""
    target, reason = load()
    if target is None:
        return f"NumPy ({reason})"
    return f"compiled, {_NAMES[target.name.decode()]}"


def computes(x):
    """Say whether these kernels are there, and take the array (or variable) x."""
    array = getattr(x, "array", x)
    return isinstance(array, np.ndarray) and array.dtype == np.float32 and load()[0] is not None


def threads_for(n_elements):
    """Return how many threads are worth their start for a pass over arrays of so many elements."""
    return max(1, min(n_elements // ELEMENTS_OF_THREAD, thread_count()))


def call(name, *arguments):
    """Call a function of the library with numbers, structures and arrays, inputs and results (or None).

    Inputs that do not lie in memory as they must are copied first. Raises MemoryError.
    """
    arguments = [ready(a) if isinstance(a, np.ndarray) else a for a in arguments]
    addresses = [address(a) if isinstance(a, np.ndarray) else a for a in arguments]
    if not getattr(load()[0], name)(*addresses):
        raise MemoryError(f"{name} needs more memory than there is")


def ready(array):
    """Copy an input that does not lie in memory as it must; results do."""
    if array.flags.c_contiguous and array.flags.aligned and array.dtype == np.float32:
        return array
    return np.require(array, np.float32, ["C", "A"])


def address(array):
    if array.size and array.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # in a fifth of the time of the other way
    return array.__array_interface__["data"][0]


@functools.cache
def load():
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
