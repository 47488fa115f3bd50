import numpy as np

from cupy._array import array_of as _array_of
from cupy._array import as_real as _as_real
from cupy._array import wrap as _wrap
from cupy._counts import counts as _counts

LinAlgError = np.linalg.LinAlgError


def _decomposed(name):
    def decompose(a, *args, **kwargs):
        x = _array_of(a)
        _counts.synchronize(name)  # cuSOLVER's verdict is read
        _counts.launch(name, x, x)
        found = getattr(np.linalg, name)(x, *args, **kwargs)
        if name == "eigh":
            found = found[0], np.asfortranarray(found[1])
        return tuple(map(_wrap, found)) if isinstance(found, tuple) else _wrap(found)

    return _as_real(f"cupy.linalg.{name}", decompose)


eigh, svd = map(_decomposed, ("eigh", "svd"))


def norm(x, ord=None, axis=None, keepdims=False):
    _counts.launch("norm", _array_of(x), n=3)
    return _wrap(np.linalg.norm(_array_of(x), ord, axis, keepdims))
