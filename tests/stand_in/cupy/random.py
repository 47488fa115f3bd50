import numpy as np

from cupy._array import launch as _launch

_state = np.random.RandomState(0)


def seed(seed=None):
    _state.seed(seed)


def _draw(name, draw, size, dtype):
    if np.dtype(dtype).char not in "fd":
        raise TypeError(f"cupy.random does not support {dtype}")
    size = () if size is None else size
    return _launch(name, draw, [], shape=(size,) if isinstance(size, int) else size, dtype=dtype)


def standard_normal(size=None, dtype=float):
    return _draw("standard_normal", lambda: _state.standard_normal(size), size, dtype)


def normal(loc=0.0, scale=1.0, size=None, dtype=float):
    return _draw("normal", lambda: _state.normal(loc, scale, size), size, dtype)


def randn(*size, **kwarg):
    return normal(size=size, dtype=kwarg.get("dtype", float))


def uniform(low=0.0, high=1.0, size=None, dtype=float):
    return _draw("uniform", lambda: _state.uniform(low, high, size), size, dtype)


def rand(*size, **kwarg):
    return _draw("rand", lambda: _state.uniform(0, 1, size), size, kwarg.get("dtype", float))
