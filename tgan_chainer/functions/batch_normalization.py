"""Batch normalization and (leaky) ReLU in as few passes over memory as there can be.

On a CPU Chainer's pass some fifteen times over each array, and its leaky ReLU selects by a mask, at 4 ns an
element. Here an array is read in tiles that stay in the cache, where NumPy's functions take 0.1 ns an element
instead of up to 0.7. Results lie in memory as :mod:`tgan_chainer.kernels.layout` says.
"""

import numpy as np

from tgan_chainer.errors import InputError
from tgan_chainer.functions.batch_normalization_gpu import BatchNormalizationOnGPU
from tgan_chainer.functions.leaky_relu import activate, derivative
from tgan_chainer.functions.once_differentiable import OnceDifferentiable
from tgan_chainer.kernels import gpu, layout, native
from tgan_chainer.parallel import chunks, for_each

import chainer.functions as F
from chainer import backend
from chainer.utils import type_check

# Elements of a tile: 512 kB in float32, a few of which fit into the cache of a core, and enough for threads
# not to wait for Python's lock.
_TILE_SIZE = 1 << 17
# An array of fewer elements is not worth several threads.
_MIN_PART = 1 << 22


def batch_normalization(
    x,
    gamma,
    beta=None,
    slope=1.0,
    eps=2e-5,
    running_mean=None,
    running_var=None,
    decay=0.9,
    batch=None,
    n_batches=1,
):
    """Normalize by the statistics of the batch, then apply leaky ReLU.

    Args:
        x: float (N, C, d_1, ..., d_n), n = 0, 1, 2, 3. Statistics are taken over all axes but C.
        gamma: Scale, float (C,).
        beta: Shift, float (C,), or None.
        slope (float): Slope below zero of the leaky ReLU, in [0, 1]: 0 is ReLU, 1 leaves it out.
        eps (float): Added to the variance.
        running_mean, running_var: Arrays (C,) that are moved towards mean and (unbiased) variance of this
            batch by 1 - ``decay``, or None.
        decay (float): Share of them that is kept.
        batch (~tgan_chainer.spread_batch.SpreadBatch): That which ``x`` is a part of, if the statistics of
            all of it are to be taken. All processes have to call this then, and to differentiate it.
        n_batches (int): ``x`` is so many batches of N / n_batches, one after the other. Each is normalized by
            statistics of its own, which move the running ones in turn.

    Returns:
        ~chainer.Variable: float, of the shape of ``x``. It can be differentiated once. The gradients of
        ``gamma`` and ``beta`` are those of this part's outputs.

    Raises:
        InputError: N is no multiple of ``n_batches``.
        chainer.utils.type_check.InvalidType: Shapes or dtypes do not fit.
    """
    if len(x) % n_batches:
        raise InputError(f"x must be {n_batches} batches of equal size; its first axis has {len(x)} elements")
    inputs = (x, gamma) if beta is None else (x, gamma, beta)
    running = running_mean, running_var
    if gpu.computes(x):
        arguments = slope, eps, *running, decay
        return BatchNormalizationOnGPU(*arguments, batch=batch, n_batches=n_batches).apply(inputs)[0]
    if n_batches > 1 and not native.computes(x):
        parts = F.split_axis(x, n_batches, axis=0)
        arguments = gamma, beta, slope, eps, *running, decay, batch
        return F.concat([batch_normalization(part, *arguments) for part in parts], axis=0)
    function = _BatchNormalization(slope, eps, batch=batch, n_batches=n_batches)
    (y,) = function.apply(inputs)
    if running_mean is not None:
        m = function.count
        for mean, var in zip(function.mean.reshape(n_batches, -1), function.var.reshape(n_batches, -1)):
            running_mean *= decay
            running_mean += (1 - decay) * mean
            running_var *= decay
            running_var += (1 - decay) * m / max(m - 1, 1) * var
    return y


def fixed_batch_normalization(x, gamma, beta, mean, var, slope=1.0, eps=2e-5):
    """Normalize by ``mean`` and ``var``, arrays (C,), else do as :func:`batch_normalization`."""
    if gpu.computes(x):
        function = BatchNormalizationOnGPU(slope, eps, mean, var, is_fixed=True)
    else:
        function = _BatchNormalization(slope, eps, mean, var)
    return function.apply((x, gamma) if beta is None else (x, gamma, beta))[0]


class _BatchNormalization(OnceDifferentiable):
    def __init__(self, slope, eps, mean=None, var=None, batch=None, n_batches=1):
        self.slope, self.eps, self.mean, self.var = slope, eps, mean, var
        self.is_fixed, self.batch, self.n_batches = mean is not None, batch, n_batches

    def check_type_forward(self, in_types):
        type_check.expect(in_types.size() >= 2, in_types.size() <= 3)
        x, *parameters = (in_types[i] for i in range(type_check.eval(in_types.size())))
        type_check.expect(x.dtype.kind == "f", x.ndim >= 2)
        for p in parameters:
            type_check.expect(p.dtype == x.dtype, p.ndim == 1, p.shape[0] == x.shape[1])

    def forward(self, inputs):
        self.retain_inputs(range(len(inputs)))
        x, gamma, *beta = inputs
        xp = backend.get_array_module(x)
        rows = _rows(x)
        self.run = len(x) // self.n_batches  # elements of one batch that lie together in memory
        self.count = rows.shape[1] // self.n_batches  # elements that a mean is taken over
        if self.batch:
            self.count = self.batch.whole(self.count)
            self.mean, self.var = self.batch.pool(*self._statistics(rows))
        is_known = self.is_fixed or self.batch is not None
        if not is_known:
            shape = (len(gamma),) if self.n_batches == 1 else (self.n_batches, len(gamma))
            self.mean, self.var = xp.empty(shape, gamma.dtype), xp.empty(shape, gamma.dtype)
        if native.computes(x):
            y = native.normalize(rows, *self._parameters(gamma, *beta), is_known, self.run)
            return (_shaped_like(x, y),)
        self.retain_outputs((0,))
        y = xp.empty_like(rows)

        def normalize(part):
            if not is_known:
                self.mean[part], self.var[part] = _mean_and_variance(rows[part])
            scale = gamma[part] * (self.var[part] + self.eps) ** -0.5
            shift = sum(b[part] for b in beta) - self.mean[part] * scale
            for tile in _tiles(rows[part]):
                h = rows[part][tile] * scale[tile[0], None]
                h += shift[tile[0], None]
                y[part][tile] = activate(h, self.slope)

        _for_each_part(rows, normalize)
        return (_shaped_like(x, y),)

    def gradients(self, indexes, gy):
        x, gamma, *beta = (v.array for v in self.get_retained_inputs())
        xp = backend.get_array_module(x)
        rows, gy = _rows(x), _rows(gy)
        if native.computes(x):
            parameters = self._parameters(gamma, *beta)
            is_whole = self.batch is None
            gx, ggamma, gbeta = native.normalize_backward(
                rows, gy, *parameters, self.is_fixed, self.run, 0 in indexes and is_whole
            )
            if 0 in indexes and not is_whole:
                sums = self.batch.add_up(ggamma, gbeta)
                gx = native.normalize_backward_of_part(rows, gy, *parameters, self.run, *sums, self.count)
            gx = None if gx is None else _shaped_like(x, gx)
            if self.n_batches > 1:
                ggamma, gbeta = ggamma.sum(axis=0), gbeta.sum(axis=0)
            return [(gx, ggamma, gbeta)[i] for i in indexes]
        y = _rows(self.get_retained_outputs()[0].array)
        gx = xp.empty_like(rows)
        inv_std = (self.var + self.eps) ** -0.5
        sums, products = xp.zeros_like(inv_std), xp.zeros_like(inv_std)

        def add_up(part):
            x, gh = rows[part], gx[part]  # gh: gradient before the leaky ReLU
            for tile in _tiles(x):
                xp.multiply(gy[part][tile], derivative(y[part][tile], self.slope), out=gh[tile])
                sums[part][tile[0]] += _row_sums(gh[tile])
                products[part][tile[0]] += _row_products(gh[tile], x[tile] - self.mean[part][tile[0], None])

        def finish(part):
            # gx = scale (gh - (gbeta + x̂ ggamma) / m)
            x, gh = rows[part], gx[part]
            scale = gamma[part] * inv_std[part]
            of_x = scale * inv_std[part] ** 2 * products[part] / -m
            constant = scale * sums[part] / -m - of_x * self.mean[part]
            for tile in _tiles(x):
                gh[tile] *= scale[tile[0], None]
                gh[tile] += x[tile] * of_x[tile[0], None]
                gh[tile] += constant[tile[0], None]

        _for_each_part(rows, add_up)
        ggamma, gbeta = products * inv_std, sums
        if 0 in indexes:
            m = np.inf if self.is_fixed else self.count  # a fixed mean and variance have no gradient
            if self.batch:
                sums, products = self.batch.add_up(sums, products)
            _for_each_part(rows, finish)
        return [(_shaped_like(x, gx), ggamma, gbeta)[i] for i in indexes]

    def _parameters(self, gamma, beta=None):
        return gamma, beta, self.mean, self.var, self.eps, self.slope

    def _statistics(self, rows):
        """Return mean and variance of each row (and batch)."""
        if native.computes(rows):
            return native.find_statistics(rows, self.n_batches, self.run)
        xp = backend.get_array_module(rows)
        mean, var = xp.empty(len(rows), rows.dtype), xp.empty(len(rows), rows.dtype)

        def measure(part):
            mean[part], var[part] = _mean_and_variance(rows[part])

        _for_each_part(rows, measure)
        return mean, var


def _mean_and_variance(rows):
    """Compute both in one pass: those of each tile, joined as by Chan, Golub and LeVeque (1983)."""
    xp = backend.get_array_module(rows)
    mean, squares = xp.zeros(len(rows)), xp.zeros(len(rows))
    for tile in _tiles(rows):
        channels, columns = tile
        tile_mean = _row_sums(rows[tile]) / (columns.stop - columns.start)
        deviation = rows[tile] - tile_mean[:, None]
        difference = tile_mean - mean[channels]
        share = (columns.stop - columns.start) / columns.stop
        mean[channels] += difference * share
        squares[channels] += _row_products(deviation, deviation) + difference**2 * (share * columns.start)
    return mean.astype(rows.dtype), (squares / rows.shape[1]).astype(rows.dtype)


def _row_sums(a):
    if isinstance(a, np.ndarray):
        return a @ np.ones(a.shape[1], a.dtype)  # BLAS, in half the time of a sum
    return a.sum(axis=1)


def _row_products(a, b):
    """Compute the scalar product of each row of a with that of b."""
    if isinstance(a, np.ndarray):
        return (a[:, None] @ b[:, :, None])[:, 0, 0]  # BLAS, four times as fast as einsum
    return (a * b).sum(axis=1)


def _for_each_part(rows, function):
    """Call ``function(part)`` for parts of the channels, each a slice; on a CPU in several threads."""
    if isinstance(rows, np.ndarray) and rows.size >= _MIN_PART:
        for_each(function, chunks(len(rows), -(-len(rows) // 8)))
    else:
        function(slice(None))


def _tiles(rows):
    """Yield the index (channels, columns) of each tile of ``rows``; a row's tiles follow each other."""
    n_channels, length = rows.shape
    if isinstance(rows, np.ndarray):
        height, width = max(1, _TILE_SIZE // length), min(length, _TILE_SIZE)
    else:
        height, width = n_channels, length
    for i in range(0, n_channels, height):
        for j in range(0, length, width):
            yield slice(i, min(i + height, n_channels)), slice(j, min(j + width, length))


def _rows(x):
    """View x (N, C, *d) as (C, the rest), copying it only if it does not lie in memory in that order."""
    return layout.batch_last(x).reshape(x.shape[1], -1)


def _shaped_like(x, rows):
    return layout.batch_first(rows.reshape(*x.shape[1:], len(x)))
