"""What a GPU would have had to do since ``counts.reset()``."""

import collections
import math
import os
import traceback

import numpy as np

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Counts:
    """Counts of the work given to the GPU.

    Attributes:
        launches (Counter): Launches of kernels, by their names.
        bytes (int): What they read and write in the GPU's memory.
        synchronizations (Counter): By why and from which line the CPU waited for the GPU.
        sent (list of int): Bytes of each copy from the host.
        modes (set): Pairs: a product or convolution of float32, and the modes in which it was asked for.
        only (bool): Whether to count without computing, which takes neither time nor memory. Values are then
            arbitrary.
    """

    def __init__(self):
        self.only = False
        self.reset()

    def reset(self):
        self.launches, self.synchronizations = collections.Counter(), collections.Counter()
        self.bytes, self.sent, self.modes = 0, [], set()
        self.traffic = collections.Counter()

    def launch(self, name, *arrays, n=1):
        """Count a kernel with the NumPy arrays that it reads and writes; return whether to compute."""
        self.launches[name] += n
        moved = sum(map(traffic, arrays))
        self.bytes += moved
        self.traffic[name] += moved
        return not self.only

    def synchronize(self, why):
        lines = [f for f in traceback.extract_stack() if not f.filename.startswith(_HERE)]
        ours = [f for f in lines if "site-packages" not in f.filename] or lines
        self.synchronizations[f"{why} at {ours[-1].filename}:{ours[-1].lineno}"] += 1


def traffic(array):
    """Return the bytes that move for an array: a sector of 32 bytes for each element that lies alone."""
    axes = [(n, abs(s)) for n, s in zip(array.shape, array.strides) if n > 1]
    n = math.prod(n for n, s in axes if s)  # what is broadcast stays in the cache
    stride = axes[-1][1] if axes else 0
    return n * (min(32, stride) if stride > array.itemsize else array.itemsize)


counts = Counts()


def empty(shape, dtype, order="C"):
    return fill(np.empty(shape, dtype, order))


def fill(array):
    """Make memory show when it is read before it is written."""
    if not counts.only:
        array.fill({"f": np.nan, "c": np.nan, "b": True}.get(array.dtype.kind, 99))
    return array
