"""Every way to convolve, behind one door.

``choose(x)`` returns a module, of the fastest way on the device of the array x. Each has

``convolve(x, W, grid, b=None)``
    the convolution: (N, C, *large) → (N, C', *small);
``deconvolve(y, W, grid, b=None)``
    its transpose, which is a deconvolution, and the gradient of x: (N, C', *small) → (N, C, *large);
``kernel_gradient(x, y, grid)``
    the gradient of W, where y is the gradient of the output: → (C', C, *kernel).

x, y and W (C', C, *kernel) are float arrays of one dtype, of NumPy or CuPy and in any memory order; results
lie in memory as :mod:`tgan_chainer.kernels.layout` says. b is a bias, of the result's channels.
"""

from tgan_chainer.kernels.choice import choose
from tgan_chainer.kernels.grid import Grid

__all__ = ["Grid", "choose"]
