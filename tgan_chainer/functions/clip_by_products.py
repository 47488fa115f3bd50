"""Singular value clipping by matrix products alone: on a GPU nothing has to wait for what came out.

With G = W Wᵀ the clipped weight is max(G, I)^(-1/2) W. The maximum and the root are limits of polynomials
x ← a x + b x³ that push x in [l, 1] towards 1 as fast as such polynomials can (Chen and Chow, "A stable
scaling of Newton-Schulz for improving the sign function computation of a Hermitian matrix", 2014).
"""

import functools

import numpy as np

from chainer import backend
from chainer.backends import cuda

# What is nearer to 1 than this share of the largest eigenvalue of G need not be told from 1.
_RESOLUTION = 1e-10
# Singular values of up to 1e4 times the limit are clipped exactly.
_RANGE = 1e-4
# Keeps 0 / 0 away where G is exactly I.
_TINY = 1e-300


def clip_by_products(W, limit=1.0):
    """Do what :func:`~tgan_chainer.functions.clip_singular_values` does, and never wait for the device.

    Args:
        W: float array of ndim ≥ 2, NumPy or CuPy. It is not changed.
        limit (float): Largest singular value allowed, > 0.

    Returns:
        array: The clipped weight, like ``W``; all NaN if ``W`` holds NaN or infinity. In float64 its
        elements were those by an SVD up to 1e-14, for singular values of up to 5,000 times the limit. Beyond
        that float64 no longer tells small eigenvalues of G from rounding, and small singular values shrink as
        well; a discriminator that is clipped every few iterations stays far below.
    """
    xp = backend.get_array_module(W)
    matrix = W.reshape(len(W), -1).astype(np.float64)
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    if len(wide) == 1:
        norm = xp.sqrt((wide * wide).sum())
        clipped = wide * (limit / xp.maximum(norm, limit))
    else:
        gram = xp.dot(wide, wide.T) / limit**2
        clipped = xp.dot(_inverse_root(_maximum_with_one(gram)), wide)
    clipped = clipped if wide is matrix else clipped.T
    return clipped.reshape(W.shape).astype(W.dtype)


def _maximum_with_one(gram):
    """Compute max(G, I) = (G + I + |G - I|) / 2 by the sign of G - I."""
    difference = _plus_identity(gram, 1.0, -1.0)
    sign = difference / (_bound(difference) + _TINY)
    for a, b in _steps(_RESOLUTION):
        sign = _dot(sign, _plus_identity(_dot(sign, sign), b, a))
    absolute = _dot(difference, sign)
    return _plus_identity(gram + absolute, 0.5, 0.5)


def _inverse_root(matrix):
    """Compute M^(-1/2) of M ≥ I by a coupled iteration: y → (M / c)^(1/2), z → (M / c)^(-1/2)."""
    c = _bound(matrix)
    y, z = matrix / c, None
    for a, b in _steps(_RANGE):
        factor = _plus_identity(y if z is None else _dot(z, y), b, a)
        y, z = _dot(y, factor), factor if z is None else _dot(factor, z)
    return z / backend.get_array_module(c).sqrt(c)


def _dot(a, b):
    return backend.get_array_module(a).dot(a, b)


def _bound(matrix):
    """Return a bound of the largest |eigenvalue|: the largest sum of a row."""
    return abs(matrix).sum(axis=1).max()


def _plus_identity(matrix, factor, of_identity):
    """Compute factor · matrix + of_identity · I, on a GPU in one launch."""
    if isinstance(matrix, np.ndarray):
        return factor * matrix + of_identity * np.eye(len(matrix))
    kernel = cuda.elementwise(
        "T x, int32 n_plus_one, T factor, T of_identity",
        "T y",
        "y = factor * x + (i % n_plus_one == 0 ? of_identity : T(0))",
        "plus_identity",
    )
    return kernel(matrix, len(matrix) + 1, factor, of_identity)


@functools.cache
def _steps(lowest):
    """Return pairs a, b of x ← a x + b x³, after all of which [lowest, 1] is 1 up to float64's rounding."""
    steps = []
    while not steps or 1 - lowest > 1e-16:
        scale = np.sqrt(3 / (1 + lowest + lowest**2))
        a, b = 1.5 * scale, -0.5 * scale**3
        lowest = min(a * lowest + b * lowest**3, 1.0)
        steps.append((float(a), float(b)))
    return steps
