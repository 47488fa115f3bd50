import numpy as np

from cupy._array import array_of as _array_of
from cupy._array import wrap as _wrap
from cupy._counts import counts as _counts

LinAlgError = np.linalg.LinAlgError


def eigh(a, UPLO="L"):
    x = _array_of(a)
    _counts.synchronize("eigh")  # cuSOLVER's verdict is read
    _counts.launch("eigh", x, x)
    values, vectors = np.linalg.eigh(x, UPLO)
    return _wrap(values), _wrap(np.asfortranarray(vectors))


def svd(a, full_matrices=True, compute_uv=True):
    x = _array_of(a)
    _counts.synchronize("svd")
    _counts.launch("svd", x, x)
    result = np.linalg.svd(x, full_matrices, compute_uv)
    return tuple(map(_wrap, result)) if compute_uv else _wrap(result)


def norm(x, ord=None, axis=None, keepdims=False):
    _counts.launch("norm", _array_of(x), n=3)
    return _wrap(np.linalg.norm(_array_of(x), ord, axis, keepdims))
