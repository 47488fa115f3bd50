"""Videos for a GPU: read in several threads, sent as the bytes that they are stored as, and scaled there.

A GPU takes a batch in less time than one thread needs to decompress it, and a quarter of the bytes are sent.
"""

import numpy as np

from tgan_chainer.kernels import gpu
from tgan_chainer.kernels.layout import batch_first, is_batch_first
from tgan_chainer.parallel import core_count

from chainer.backends import cuda

# Beyond these HDF5, which reads for one thread at a time, is what they wait for.
_MOST_THREADS = 8


def n_reading_threads():
    """Return how many threads should read for a GPU: as many as there are processors, up to eight."""
    return min(core_count(), _MOST_THREADS)


def send_and_scale(batch, device):
    """Make a batch on a GPU: the ``converter`` of an updater.

    Args:
        batch (list): What :meth:`VideoDataset.frames_of` returned.
        device (~chainer.backend.Device): Where to.

    Returns:
        array or tuple: Videos, float32 (N, C, T, H, W) in [-1, 1), the same numbers as a
        :class:`VideoDataset` has; and labels, int32 (N,), if there are any.
    """
    if isinstance(batch[0], tuple):
        frames, labels = zip(*batch)
        return send_and_scale(frames, device), device.send(np.array(labels))
    frames = device.send(np.stack(batch))  # (N, T, H, W, C)
    n, *axes, channels = frames.shape
    if is_batch_first(cuda.cupy.empty((0, channels, *axes), np.float32)):
        return gpu.scale(frames.transpose(0, 4, 1, 2, 3))
    return batch_first(gpu.scale(frames.transpose(4, 1, 2, 3, 0)))
