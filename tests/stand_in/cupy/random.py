import numpy as np

from cupy._array import as_real as _as_real
from cupy._array import wrap as _wrap
from cupy._counts import counts as _counts

_state = np.random.RandomState(0)
seed = _state.seed


def _drawn(name):
    def draw(*args, dtype=float, **kwargs):
        if np.dtype(dtype).char not in "fd":
            raise TypeError(f"cupy.random does not support {dtype}")
        result = np.asarray(getattr(_state, name)(*args, **kwargs)).astype(dtype)
        _counts.launch(name, result)
        return _wrap(result)

    return _as_real(f"cupy.random.{name}", draw)


for _name in "normal rand randn standard_normal uniform".split():
    globals()[_name] = _drawn(_name)
