"""What a source of videos is, and what all kinds share."""

import contextlib
import itertools
import os
import typing

import numpy as np

from tgan_chainer.errors import InputError
from tgan_chainer.parallel import in_order
from tgan_chainer.texts import count

WINDOWS = "random", "first", "middle"
RESIZING = "by bicubic interpolation with antialiasing"  # Pillow's for arrays and images, libav's for videos
AHEAD = 64  # videos decoded while others are scored: two batches of a GPU, 50 MB


class Item(typing.NamedTuple):
    """A video that a source would draw.

    Attributes:
        name (str): What it is called: the path of a file, or a path and a number.
        key (str): What tells it, read in this way, from all other videos: its file's path, size and time, or
            the data's fingerprint, the place of its window, and how it is resized.
        read (callable): Takes nothing, returns float32 (C, T, H, W) in [-1, 1].
    """

    name: str
    key: str
    read: typing.Callable


class VideoSource:
    """Videos to draw samples from.

    Attributes:
        n (int or None): How many there are; None if any number can be drawn.
        description (dict): What a result should say about them.
        batch_size (int): How many are made at a time.
    """

    n = None
    workers = batch_size = 1

    def items(self, n, seed=0, repeat=0):
        """Choose the n videos that :meth:`draw` gives, without reading any.

        Returns:
            list of Item: None of a source that makes its videos, a generator.

        Raises:
            InputError: There are not so many.
        """
        return None

    def labels(self, n, seed=0):
        """Return the labels of the n videos that :meth:`draw` gives, int (n,); None if they have none."""
        return None

    def read(self, items):
        """Yield what ``item.read()`` returns for each item, in order, read ahead on threads."""
        yield from in_order(lambda item: item.read(), items, self.workers, AHEAD)

    def draw(self, n, seed=0, repeat=0, wanted=None):
        """Draw n videos, of different repeats different ones.

        The repeats of a finite source share no video: they are successive parts of one random order.

        Args:
            n (int): How many.
            seed (int): Together with ``repeat`` it fixes which.
            repeat (int): 0, 1, ...
            wanted (bool array (n,)): Which of the n to give; the others are not read. None wants all.

        Yields:
            numpy.ndarray: float32 (C, T, H, W) in [-1, 1].

        Raises:
            InputError: There are not so many, or one cannot be used.
        """
        items = self.items(n, seed, repeat)
        yield from self.read(items if wanted is None else list(itertools.compress(items, wanted)))

    def _choose(self, n, seed, repeat):
        """Return the indices of a finite source's videos."""
        start = n * repeat
        if start + n > self.n:
            raise InputError(
                f"{self.description['path']} holds {count(self.n, 'video')}; {start + n:,} were asked for "
                f"({count(n, 'sample')}, {count(repeat + 1, 'time')})"
            )
        return np.random.RandomState(seed).permutation(self.n)[start : start + n]


def seed_of(seed, repeat):
    """Return the seed of a repeat: of the first one ``seed``; of others one that no repeat of others has."""
    return int(np.random.RandomState([seed, repeat]).randint(2**32, dtype=np.uint64)) if repeat else seed


@contextlib.contextmanager
def naming(name):
    """Put a name before the messages of errors."""
    try:
        yield
    except (InputError, OSError) as error:
        raise InputError(f"{name}: {error}") from error


def cut(video, n_frames, window, rng):
    """Take a window of frames of (C, T, ...)."""
    check_length(video.shape[1], n_frames)
    n_places = video.shape[1] - n_frames + 1
    start = {"first": 0, "middle": (n_places - 1) // 2, "random": None}[window]
    if start is None:
        start = rng.randint(n_places)
    return video[:, start : start + n_frames]


def check_length(length, n_frames):
    if length < n_frames:
        raise InputError(f"{count(length, 'frame')}; at least {n_frames} are needed")


def identity(paths):
    """Return what changes when files do: the path of the first one, their size, and when one last changed."""
    try:
        status = [os.stat(path) for path in paths]
    except OSError as error:  # whoever reads the video will say so
        return f"{paths[0]}, {error.strerror}"
    size, time = sum(s.st_size for s in status), max(s.st_mtime_ns for s in status)
    return f"{os.path.realpath(paths[0])}, {size} bytes, {time} ns"
