import numpy as np

from tgan_chainer.functions.once_differentiable import OnceDifferentiable
from tgan_chainer.parallel import chunks, for_each

from chainer import backend

_LARGE = 1 << 18  # elements of an output for which several threads pay


def max_pooling(x, axes):
    """Halve axes, rounding up: the larger of each two neighbours; of an odd number, the last one itself.

    What :func:`chainer.functions.max_pooling_nd` does with a window and stride of two on each of these axes,
    without its copies of the input, eight times as large.

    Args:
        x: float, of any shape.
        axes (sequence of ints): Which ones.

    Returns:
        ~chainer.Variable: It can be differentiated once. Of two equal neighbours the first has the gradient.
    """
    for axis in axes:
        x = _HalvedAxis(axis).apply((x,))[0]
    return x


class _HalvedAxis(OnceDifferentiable):
    def __init__(self, axis):
        self.before = (slice(None),) * axis

    def forward(self, inputs):
        self.retain_inputs((0,))
        first, second, pairs = self._split(inputs[0])
        xp = backend.get_array_module(first)
        y = xp.empty_like(first)

        def run(part):
            y[part] = first[part]
            xp.maximum(y[pairs][part], second[part], out=y[pairs][part])

        if xp is np and y.size >= _LARGE and len(pairs) > 2:
            for_each(run, [(slice(None), channels) for channels in chunks(y.shape[1], -(-y.shape[1] // 8))])
        else:
            run(())
        return (y,)

    def gradients(self, indexes, gy):
        x = self.get_retained_inputs()[0].array
        first, second, pairs = self._split(x)
        gx = backend.get_array_module(x).empty_like(x)
        is_first = first[pairs] >= second
        g_first, g_second, _ = self._split(gx)
        g_first[...] = gy
        g_first[pairs] *= is_first
        g_second[...] = gy[pairs] * ~is_first
        return (gx,)

    def _split(self, x):
        first, second = x[(*self.before, slice(0, None, 2))], x[(*self.before, slice(1, None, 2))]
        return first, second, (*self.before, slice(second.shape[len(self.before)]))
