from tgan_chainer.kernels.layout import batch_first, batch_last
from tgan_chainer.kernels.libraries import library

import chainer


def lay_out(x):
    """Return ``x`` itself, in the memory order that our own functions want where no library convolves.

    Each function copies an array in any other, and again for its gradient. This does it once, for them all.

    Args:
        x: float (N, C, ...).

    Returns:
        ~chainer.Variable: The same numbers.
    """
    return _LayOut().apply((x,))[0] if library(x) is None else x


class _LayOut(chainer.FunctionNode):
    def forward(self, inputs):
        return (batch_first(batch_last(*inputs)),)

    def backward(self, indexes, grad_outputs):
        return grad_outputs
