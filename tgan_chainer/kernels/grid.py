"""The geometry of a convolution: which elements of its input and of its output meet at which tap."""

import numpy as np

from chainer import backend


class Grid:
    """How a convolution maps axes of lengths ``large`` to axes of lengths ``small``.

    An axis convolved with stride s is split into s *phases*: elements 0, s, 2s, ...; elements 1, s + 1, ...;
    and so on. Tap k of the kernel is tap (k // s) of phase (k % s), so that within a phase the windows of
    neighbouring outputs are shifted by one. An array of phases has the axes
    (C, stride_1, ..., stride_n, length_1, ..., length_n, N) and holds the element s·i + phase - pad of the
    large axis at (phase, i), or 0 where there is none.

    Taps that see nothing but padding are left out of ``kernel``, and ``pad`` is shifted accordingly: that is
    half of the kernel where an axis of two elements becomes one, as in the last convolution of the
    discriminator. Libraries, which pad both ends alike, take ``whole_kernel`` and ``whole_pad``.

    Args:
        kernel, stride, pad (tuples of ints): The convolution's, along each axis.
        large, small (tuples of ints): Lengths of the axes of its input and of its output.
    """

    def __init__(self, kernel, stride, pad, large, small):
        self.whole_kernel, self.whole_pad = kernel, pad
        first = tuple(min(max(0, p - s * (o - 1)), k - 1) for p, s, o, k in zip(pad, stride, small, kernel))
        stop = tuple(max(min(k, d + p), i + 1) for k, p, d, i in zip(kernel, pad, large, first))
        self.used = tuple(map(slice, first, stop))
        self.kernel = tuple(b - a for a, b in zip(first, stop))
        self.pad = tuple(p - a for p, a in zip(pad, first))
        self.stride, self.large, self.small = stride, large, small
        self.taps = tuple(-(-k // s) for k, s in zip(self.kernel, stride))
        self.lengths = tuple(o + t - 1 for o, t in zip(small, self.taps))

    def phases(self):
        """Yield indices (phase, its elements in an array of phases, the same elements on the large axes)."""
        for phase in np.ndindex(*self.stride):
            inner, outer = [], []
            for k, s, p, d, length in zip(phase, self.stride, self.pad, self.large, self.lengths):
                start = max(0, -(-(p - k) // s))
                stop = max(start, min(length, (d - 1 + p - k) // s + 1))
                inner.append(slice(start, stop))
                outer.append(slice(s * start + k - p, max(s * stop + k - p, 0), s))
            yield phase, tuple(inner), tuple(outer)

    def used_kernel(self, W):
        """Leave the unused taps out of a weight (C', C, *whole_kernel)."""
        return W if self.kernel == self.whole_kernel else W[(..., *self.used)]

    def whole_gradient(self, gW):
        """Put zeros where the unused taps are into the gradient (C', C, *kernel) of a weight."""
        if self.kernel == self.whole_kernel:
            return gW
        whole = backend.get_array_module(gW).zeros((*gW.shape[:2], *self.whole_kernel), gW.dtype)
        whole[(..., *self.used)] = gW
        return whole
