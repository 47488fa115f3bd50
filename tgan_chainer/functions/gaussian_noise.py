from tgan_chainer.kernels import layout
from tgan_chainer.spread_batch import spread_batch


def gaussian_noise(x, deviation):
    """Add Gaussian noise.

    Args:
        x: Array or ~chainer.Variable, float (N, C, d_1, ..., d_n).
        deviation (float): Standard deviation σ of the noise, drawn by the array's module (NumPy or CuPy).

    Returns:
        What ``x`` is, of its type, shape and dtype, with the noise added. If it is a part of a spread batch,
        the noise is that part of the whole batch's.
    """
    batch = spread_batch()
    noise = layout.standard_normal(x) if batch is None else layout.standard_normal(x, batch.n)[batch.part]
    noise *= deviation
    return x + noise
