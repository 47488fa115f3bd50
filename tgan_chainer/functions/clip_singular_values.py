import numpy as np

from tgan_chainer.errors import InputError, NonFiniteError
from tgan_chainer.functions.clip_by_products import clip_by_products
from tgan_chainer.kernels import gpu
from tgan_chainer.parallel import chunks, for_each

from chainer import backend

# A weight that was clipped before has singular values of 1 up to float32 rounding. Without this slack the
# next clipping would find some of them above 1 again and rewrite the whole weight for nothing.
_ROUNDING = 1e-6

# The eigenvalues of the Gram matrix are the squared singular values, with an absolute error of about
# 1e-16 · (largest singular value)². Up to this ratio the error at the limit stays below float32 rounding.
_GRAM_RANGE = 1e3

# Of a matrix that one thread takes at a time.
_COLUMNS = 2048


def clip_singular_values(W, limit=1.0):
    """Replace every singular value of ``W`` above ``limit`` by ``limit`` (Section 4).

    ``W`` is read as the matrix Ŵ (out_channels, everything else). With the singular directions u_i of
    those values σ_i > limit, the result is W - Σ_i (1 - limit/σ_i) u_i u_iᵀ W, so only these directions
    are touched, and u_i and σ_i² can be had as eigenvectors and eigenvalues of the small matrix W Wᵀ (or
    Wᵀ W, whichever is smaller) for a tenth of the cost of an SVD: in float32 where no singular value exceeds
    twice the limit, else in float64. On a GPU
    :func:`~tgan_chainer.functions.clip_by_products` does it, for which nothing has to wait.

    Args:
        W: float array of ndim ≥ 2, NumPy or CuPy. It is not changed.
        limit (float): Largest singular value allowed, > 0.

    Returns:
        array: The clipped weight, in shape, dtype and device like ``W``; on a CPU ``W`` itself if no singular
        value exceeds the limit.

    Raises:
        InputError: ``W`` has fewer than two axes or is not of a float dtype, or ``limit`` is not positive.
        NonFiniteError: ``W`` holds NaN or infinity, or no decomposition of it succeeds. On a GPU, which would
            have to be waited for, the result is NaN instead.
    """
    _check(W, limit)
    if gpu.computes(W):
        return clip_by_products([W], limit)[0]
    matrix = W.reshape(len(W), -1)
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    # Up to twice the limit, float32's errors are those of W's own rounding.
    for dtype in dict.fromkeys((np.result_type(W, np.float32), np.dtype(np.float64))):
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # of float32; float64 follows
                eigenvalues, u = np.linalg.eigh(_gram_matrix(wide, dtype))
        except np.linalg.LinAlgError:
            return clip_singular_values_by_svd(W, limit)
        largest = np.sqrt(np.maximum(eigenvalues, 0).max())  # NaN if one of them is
        if largest <= 2 * limit:
            break
    if largest <= limit * (1 + _ROUNDING):
        return W
    if not largest <= limit * _GRAM_RANGE:
        return clip_singular_values_by_svd(W, limit)
    shrink = 1 - limit / np.sqrt(np.maximum(eigenvalues, limit**2))
    factor = ((u * shrink) @ u.T).astype(dtype)
    clipped = np.empty_like(wide)

    def clip(columns):
        part = wide[:, columns].astype(dtype, copy=False)
        clipped[:, columns] = part - factor @ part

    for_each(clip, chunks(wide.shape[1], _COLUMNS))
    clipped = clipped if wide is matrix else clipped.T
    return clipped.reshape(W.shape)


def clip_singular_values_by_svd(W, limit=1.0):
    """Do what :func:`clip_singular_values` does by a full SVD: slower, for any range of singular values.

    Arguments, result and errors are those of :func:`clip_singular_values`.
    """
    _check(W, limit)
    xp = backend.get_array_module(W)
    try:
        u, s, vt = xp.linalg.svd(W.reshape(len(W), -1).astype(np.float64), full_matrices=False)
    except np.linalg.LinAlgError as error:
        raise NonFiniteError(f"W has singular values that cannot be computed ({error})") from error
    largest = float(s.max())
    if largest <= limit * (1 + _ROUNDING):
        return W
    if not np.isfinite(largest):
        raise NonFiniteError(f"W has singular values that cannot be computed (the largest is {largest})")
    return ((u * xp.minimum(s, limit)) @ vt).reshape(W.shape).astype(W.dtype)


def _check(W, limit):
    if not limit > 0:
        raise InputError(f"limit must be positive, not {limit!r}")
    if W.ndim < 2 or W.size == 0:
        raise InputError(f"W must have at least two axes, none of length 0; its shape is {W.shape}")
    if W.dtype.kind != "f":
        raise InputError(f"W must be of a float dtype, not {W.dtype}")
    if not gpu.computes(W) and not np.isfinite(W).all():
        raise NonFiniteError("W holds NaN or infinity and so has no singular values")


def _gram_matrix(wide, dtype):
    """Compute wide wideᵀ: products in dtype, the same for any number of threads, added up in float64."""
    columns = chunks(wide.shape[1], _COLUMNS)
    products = np.empty((len(columns), len(wide), len(wide)), dtype)

    def multiply(i):
        part = wide[:, columns[i]].astype(dtype)
        np.matmul(part, part.T, out=products[i])  # BLAS sees that this is symmetric, half of the work

    for_each(multiply, range(len(columns)))
    return products.sum(axis=0, dtype=np.float64)
