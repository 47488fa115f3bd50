from tgan_chainer.kernels import layout


def gaussian_noise(x, deviation):
    """Add Gaussian noise.

    Args:
        x: Array or ~chainer.Variable, float (N, C, d_1, ..., d_n).
        deviation (float): Standard deviation σ of the noise, drawn by the array's module (NumPy or CuPy).

    Returns:
        What ``x`` is, of its type, shape and dtype, with the noise added.
    """
    noise = layout.standard_normal(x)
    noise *= deviation
    return x + noise
