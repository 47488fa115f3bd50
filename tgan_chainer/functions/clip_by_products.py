"""Singular value clipping by matrix products alone: on a GPU nothing has to wait for what came out.

With G = W Wᵀ the clipped weight is max(G, I)^(-1/2) W. The maximum and the root are limits of polynomials
x ← a x + b x³ that push x in [l, 1] towards 1 as fast as such polynomials can (Chen and Chow, "A stable
scaling of Newton-Schulz for improving the sign function computation of a Hermitian matrix", 2014).

The matrices G of all weights are computed with at once: as blocks on the diagonals of as few matrices as hold
them, in products of stacks of these. The discriminator's, of 1, 64, 128, 256 and 512 rows, are two of 512.
"""

import functools
import typing

import numpy as np

from chainer import backend
from chainer.backends import cuda


class _Precision(typing.NamedTuple):
    resolution: float  # what is nearer to 1 than this share of the largest eigenvalue is not told from 1
    range: float  # the limit, as a share of the largest singular value for which all converges
    rounding: float  # distance from 1 at which the polynomials end
    is_polished: bool  # whether a last step follows, by matrices made symmetric: a digit more


_PRECISIONS = {
    np.dtype(np.float32): _Precision(1e-8, 1e-3, 1e-9, False),
    np.dtype(np.float64): _Precision(1e-10, 1e-4, 1e-16, True),
}


def clip_by_products(weights, limit=1.0):
    """Do for each weight what :func:`~tgan_chainer.functions.clip_singular_values` does, without waiting.

    Args:
        weights: A list of float arrays of ndim ≥ 2 and of one dtype, NumPy or CuPy. They are not changed.
        limit (float): Largest singular value allowed, > 0.

    Returns:
        list of arrays: The clipped weights. Where s is the largest singular value of a weight divided by the
        limit, singular values near the limit are wrong by less than 3e-9 s² sqrt(n) of it, where n is the
        smaller side of its matrix (float32: less than its rounding for s up to 1.2 and n = 512). In float64
        elements were those by an SVD up to 1e-15 for s up to 2. For s above 1,000 (float32) or 10,000
        (float64) divided by n^(1/4), singular values below the limit shrink as well; none ever exceeds the
        limit. A weight that is clipped every few iterations stays below s = 1.2. Elements are NaN if a weight
        holds NaN or infinity, maybe those of other weights, too.
    """
    xp, precision = backend.get_array_module(weights[0]), _PRECISIONS[weights[0].dtype]
    matrices = [W.reshape(len(W), -1).astype(np.float64) for W in weights]
    wide = [matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T for matrix in matrices]
    places = _places(tuple(map(len, wide)))
    n = max(map(len, wide))
    gram = xp.zeros((max(k for k, _ in places) + 1, n, n))
    for (k, rows), matrix in zip(places, wide):
        gram[k, rows, rows] = xp.dot(matrix, matrix.T)
    gram /= limit**2
    bound = _bound(gram, places)
    maximum = _maximum_with_one(gram, bound, precision)
    factor = _inverse_root(maximum, bound, precision)
    clipped = []
    for (k, rows), W, matrix, of_wide in zip(places, weights, matrices, wide):
        product = xp.dot(factor[k, rows, rows], of_wide)
        product = product if of_wide is matrix else product.T
        clipped.append(product.reshape(W.shape).astype(W.dtype))
    return clipped


@functools.cache
def _places(sizes):
    """Return for each square the number of a large one that holds it, and its rows there."""
    places, ends = {}, []
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        fitting = [k for k, end in enumerate(ends) if end + sizes[i] <= max(sizes)]
        if not fitting:
            ends.append(0)
        k = fitting[0] if fitting else len(ends) - 1
        places[i] = k, slice(ends[k], ends[k] + sizes[i])
        ends[k] += sizes[i]
    return [places[i] for i in range(len(sizes))]


def _bound(gram, places):
    """Return (k, n, 1): for each row the largest sum of a row of its block, a bound of eigenvalues, or 1."""
    xp, n = backend.get_array_module(gram), gram.shape[1]
    members = np.stack([np.resize(np.arange(k * n + rows.start, k * n + rows.stop), n) for k, rows in places])
    owners = np.zeros(gram.shape[:2], np.int64)
    for i, place in enumerate(places):
        owners[place] = i
    sums = abs(gram).sum(axis=2).reshape(-1)
    return xp.maximum(sums[xp.asarray(members)].max(axis=1), 1)[xp.asarray(owners)][..., None]


def _maximum_with_one(gram, bound, precision):
    """Compute max(G, I) = (G + I + |G - I|) / 2 by the sign of G - I."""
    difference = _plus_identity(gram, 1.0, -1.0)
    sign = difference / bound
    for a, b in _steps(precision.resolution, precision.rounding):
        sign = sign @ _plus_identity(sign @ sign, b, a)
    if precision.is_polished:
        sign = _symmetric(sign)
        sign = sign @ _plus_identity(_symmetric(sign @ sign), -0.5, 1.5)
    maximum = _plus_identity(gram + difference @ sign, 0.5, 0.5)
    return _symmetric(maximum) if precision.is_polished else maximum


def _inverse_root(matrix, bound, precision):
    """Compute M^(-1/2) of M ≥ I by a coupled iteration: y → (M / c)^(1/2), z → (M / c)^(-1/2)."""
    y, z = matrix / bound, None
    for a, b in _steps(precision.range, precision.rounding):
        factor = _plus_identity(y if z is None else z @ y, b, a)
        y, z = y @ factor, factor if z is None else factor @ z
    z = z / backend.get_array_module(bound).sqrt(bound)
    if precision.is_polished:
        z = _symmetric(z)
        z = z @ _plus_identity(_symmetric(z @ matrix @ z), -0.5, 1.5)
    return z


def _symmetric(matrices):
    return (matrices + matrices.swapaxes(1, 2)) / 2


def _plus_identity(matrices, factor, of_identity):
    """Compute factor · matrix + of_identity · I for each of a stack, on a GPU in one launch."""
    n = matrices.shape[1]
    if isinstance(matrices, np.ndarray):
        return factor * matrices + of_identity * np.eye(n)
    kernel = cuda.elementwise(
        "T x, int32 n, T factor, T of_identity",
        "T y",
        "y = factor * x + (i / n % n == i % n ? of_identity : T(0))",
        "plus_identity",
    )
    return kernel(matrices, n, factor, of_identity)


@functools.cache
def _steps(lowest, rounding):
    """Return pairs a, b of x ← a x + b x³, after all of which [lowest, 1] is 1 up to ``rounding``."""
    steps = []
    while not steps or 1 - lowest > rounding:
        scale = np.sqrt(3 / (1 + lowest + lowest**2))
        a, b = 1.5 * scale, -0.5 * scale**3
        lowest = min(a * lowest + b * lowest**3, 1.0)
        steps.append((float(a), float(b)))
    return steps
