"""Convolutions as products of a matrix with columns, for CuPy where no library convolves.

Arrays lie in memory as (C, *axes, N). One kernel gathers the columns of whole channels, and one product takes
all of them. Products are of two matrices, never of stacks: only those does CuPy compute in TF32 when it is
asked to, and only of those does it take a transposed factor without a copy.
"""

import math

from tgan_chainer.kernels.gpu import add_bias, add_columns, gather_columns
from tgan_chainer.kernels.layout import batch_first, batch_last
from tgan_chainer.parallel import chunks

from chainer.backends import cuda

# Elements of the columns in memory at a time: 1 GB in float32, which holds those of all channels with the
# paper's networks and a batch of 32, so that no sums have to be added up.
_BLOCK = 1 << 28


def convolve(x, W, grid, b=None):
    return add_bias(_multiply_by_columns(x, grid, W)[0], b)


def deconvolve(y, W, grid, b=None):
    n, W = len(y), _rows(grid.used_kernel(W))
    y = batch_last(y).reshape(len(W), -1)
    x = cuda.cupy.empty((W.shape[1] // math.prod(grid.kernel), *grid.large, n), y.dtype)
    for channels in _blocks(grid, len(x), n):
        columns = cuda.cupy.dot(W[:, _taps(channels, grid)].T, y)
        add_columns(columns.reshape(-1, *grid.kernel, *grid.small, n), grid, x[channels])
    return add_bias(batch_first(x), b)


def kernel_gradient(x, y, grid):
    return _multiply_by_columns(x, grid, y=y)[1]


def convolve_and_kernel_gradient(x, W, y, grid):
    """Return what :func:`convolve` and :func:`kernel_gradient` do, from the same columns."""
    return _multiply_by_columns(x, grid, W, y)


def _multiply_by_columns(x, grid, W=None, y=None):
    """Return W (C', C, *kernel) times the columns of x, and y (N, C', *small) times their transpose."""
    x, n = batch_last(x), len(x)
    product, parts = None, []
    W = None if W is None else _rows(grid.used_kernel(W))
    y = None if y is None else batch_last(y).reshape(y.shape[1], -1)
    for channels in _blocks(grid, len(x), n):
        columns = _rows(gather_columns(x[channels], grid), grid)
        if W is not None:
            part = cuda.cupy.dot(W[:, _taps(channels, grid)], columns)
            product = part if product is None else cuda.cupy.add(product, part, out=product)
        if y is not None:
            parts.append(cuda.cupy.dot(y, columns.T))
    if W is not None:
        product = batch_first(product.reshape(-1, *grid.small, n))
    if y is None:
        return product, None
    gW = parts[0] if len(parts) == 1 else cuda.cupy.concatenate(parts, axis=1)
    return product, grid.whole_gradient(gW.reshape(len(y), len(x), *grid.kernel))


def _rows(array, grid=None):
    """View a weight (C', C, *kernel), or with the grid columns (C, *kernel, *small, N), as a matrix."""
    n_rows = len(array) * (math.prod(grid.kernel) if grid else 1)
    return array.reshape(n_rows, -1)


def _taps(channels, grid):
    n_taps = math.prod(grid.kernel)
    return slice(channels.start * n_taps, channels.stop * n_taps)


def _blocks(grid, n_channels, n):
    return chunks(n_channels, max(_BLOCK // (math.prod(grid.kernel + grid.small) * n), 1))
