from tgan_chainer.functions.once_differentiable import OnceDifferentiable
from tgan_chainer.kernels import gpu, native
from tgan_chainer.kernels.layout import batch_first, batch_last

from chainer import backend
from chainer.utils import type_check

SLOPE = 0.2  # the discriminator's below zero (Section 3.4)


def relu(x):
    """Do what :func:`chainer.functions.relu` does; arguments and result are those of :func:`leaky_relu`."""
    return leaky_relu(x, slope=0.0)


def leaky_relu(x, slope=SLOPE):
    """Do what :func:`chainer.functions.leaky_relu` does, faster.

    Args:
        x: float, of any shape.
        slope (float): Slope below zero, in [0, 1].

    Returns:
        ~chainer.Variable: float, of the shape of ``x``. It can be differentiated once.
    """
    return _LeakyReLU(slope).apply((x,))[0]


class _LeakyReLU(OnceDifferentiable):
    def __init__(self, slope):
        self.slope = slope

    def check_type_forward(self, in_types):
        type_check.expect(in_types.size() == 1, in_types[0].dtype.kind == "f")

    def forward(self, inputs):
        self.retain_outputs((0,))
        (x,) = inputs
        if gpu.computes(x):
            return (gpu.leaky_relu(x, x, self.slope),)
        if native.computes(x) and x.ndim > 1:
            x = batch_last(x)
            return (batch_first(native.leaky_relu(x, x, self.slope)),)
        return (activate(x, self.slope),)

    def gradients(self, indexes, gy):
        y = self.get_retained_outputs()[0].array
        if gpu.computes(y):
            return (gpu.leaky_relu(y, gy, self.slope),)
        if native.computes(y) and y.ndim > 1:
            return (batch_first(native.leaky_relu(batch_last(y), batch_last(gy), self.slope)),)
        return (gy * derivative(y, self.slope),)


def activate(x, slope):
    """Compute the leaky ReLU of an array; x itself for a slope of 1."""
    # A maximum with a number instead of an array takes three times as long.
    xp = backend.get_array_module(x)
    return x if slope == 1 else xp.maximum(x, x * slope if slope else xp.zeros_like(x))


def derivative(y, slope):
    """Compute the derivative, 1 or slope, at the input of which y was the output; slope at 0, as Chainer."""
    if slope == 0:
        return y > 0
    # Arithmetic, since a selection by `where` takes ten times as long.
    result = (y > 0).astype(y.dtype)
    result *= 1 - slope
    result += slope
    return result
