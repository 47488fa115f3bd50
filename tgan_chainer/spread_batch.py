"""One batch over several processes, so that together they compute what one would.

With a batch of n videos, n_i of them in process i:

- Latent variables and noise are drawn for the whole batch by each process, from the same seed, and each takes
  its rows; of the videos each reads only its own.
- What a process minimizes is n_i / n times the mean over its part. Its gradients are then its share of the
  whole batch's, which is their plain sum, also where the parts are not equal.
- Batch normalization takes the statistics of the whole batch, and its gradient is that of all outputs.

What is sent, a step: one array of all gradients (and the losses, at its end), and of each batch normalization
two short arrays, forward and backward, of float64.
"""

import contextlib

import numpy as np

import chainer
import chainer.links as L
from chainer import backend


class SpreadBatch:
    """The batches of a run, and which part of each is this process's.

    Args:
        processes (~tgan_chainer.processes.Processes): Those of the run.
        n (int): Videos of the whole batch, at least as many as processes.
        sync_bn (bool): Whether batch normalization takes the statistics of the whole batch; else those of the
            part, which saves sending them and is another training.

    Attributes:
        n (int): As given.
        part (slice): Which videos of a batch are this process's.
        share (float): Their part of all of them.
    """

    def __init__(self, processes, n, sync_bn=True):
        self.processes, self.n, self.sync_bn = processes, n, sync_bn
        self.part = part_of_batch(processes, n)
        self.share = (self.part.stop - self.part.start) / n

    def whole(self, count):
        """Return how many elements (frames, pixels) the whole batch has, of which the part has ``count``."""
        return count * self.n // (self.part.stop - self.part.start)

    def pool(self, mean, var):
        """Return mean and variance over the whole batch, arrays of one shape, from those over the part."""
        # In float64, where the difference of the squares costs a float32 nothing.
        mean64, var64 = mean.astype(np.float64), var.astype(np.float64)
        xp = backend.get_array_module(mean)
        total = self.processes.add_up(xp.stack([mean64, var64 + mean64**2]) * self.share)
        var64 = xp.maximum(total[1] - total[0] ** 2, 0)
        return total[0].astype(mean.dtype), var64.astype(var.dtype)

    def add_up(self, *arrays):
        """Return the sums over all processes of arrays of one shape, in float64 on the way."""
        xp = backend.get_array_module(arrays[0])
        total = self.processes.add_up(xp.stack(arrays).astype(np.float64))
        return [one.astype(array.dtype) for one, array in zip(total, arrays)]

    def add_up_gradients(self, network, values):
        """Replace a network's gradients by their sum over all processes.

        Args:
            network (~chainer.Link): Its gradients are those of ``share`` times a mean over the part.
            values (dict): Name → a mean over the part, an array without axes.

        Returns:
            dict: Name → the mean over the whole batch, likewise.
        """
        parameters = [p for _, p in sorted(network.namedparams()) if p.grad is not None]
        xp, dtype = network.xp, parameters[0].dtype
        means = [xp.asarray(value * self.share, dtype) for value in values.values()]
        sums = self._add_up_as_one([*(p.grad for p in parameters), *means])
        for p, gradient in zip(parameters, sums):
            p.grad = gradient
        return dict(zip(values, sums[len(parameters) :]))

    def average_statistics(self, *networks):
        """Without ``sync_bn``, give the running statistics of all processes their mean."""
        if self.sync_bn:
            return
        arrays = [
            array
            for network in networks
            for _, link in sorted(network.namedlinks())
            if isinstance(link, L.BatchNormalization)
            for array in (link.avg_mean, link.avg_var)
        ]
        for array, mean in zip(arrays, self._add_up_as_one([array * self.share for array in arrays])):
            array[...] = mean.astype(array.dtype)

    def _add_up_as_one(self, arrays):
        """Return the sums over all processes of arrays of any shapes, which are sent as one."""
        xp = backend.get_array_module(arrays[0])
        total = self.processes.add_up(xp.concatenate([array.reshape(-1) for array in arrays]))
        parts = xp.split(total, np.cumsum([array.size for array in arrays])[:-1].tolist())
        return [part.reshape(array.shape) for part, array in zip(parts, arrays)]


def part_of_batch(processes, n):
    """Return which videos of a batch of n are this process's, a slice; the parts differ by one at most."""
    bounds = [n * i // processes.size for i in range(processes.size + 1)]
    return slice(*bounds[processes.rank : processes.rank + 2])


def spread_batch():
    """Return the :class:`SpreadBatch` that is computed on now; None where a batch is whole."""
    return getattr(chainer.config, "spread_batch", None)


@contextlib.contextmanager
def spread(batch):
    """Within the block, networks work on a part of ``batch``, a :class:`SpreadBatch` or None."""
    with chainer.using_config("spread_batch", batch):
        yield
